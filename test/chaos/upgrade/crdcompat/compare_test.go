package crdcompat

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const before = `
spec:
  group: flotilla.dev
  scope: Namespaced
  names: {kind: Fleet, plural: fleets}
  versions:
  - name: v1alpha1
    served: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [name]
            x-kubernetes-validations: [{rule: "self.size < 9", message: too large}]
            properties:
              name: {type: string, maxLength: 63}
              size: {type: integer, minimum: 1, maximum: 10}
              color: {type: string, enum: [red, blue]}
              note: {type: string}
              ports: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [port], items: {type: object, properties: {port: {type: integer}}}}
              labels: {type: object, additionalProperties: {type: string, maxLength: 10}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

func definition(t *testing.T, text string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal([]byte(text), crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

func TestWhatANewDefinitionDoesNotTakeAnyMoreIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(spec *apiextensionsv1.JSONSchemaProps)
		want   []string
	}{
		"nothing changes": {func(*apiextensionsv1.JSONSchemaProps) {}, nil},
		"what is looser": {func(spec *apiextensionsv1.JSONSchemaProps) {
			more, long := 100.0, int64(99)
			edit(spec, "size", func(p *apiextensionsv1.JSONSchemaProps) { p.Maximum = &more })
			edit(spec, "name", func(p *apiextensionsv1.JSONSchemaProps) { p.MaxLength = &long })
			edit(spec, "color", func(p *apiextensionsv1.JSONSchemaProps) {
				p.Enum = append(p.Enum, apiextensionsv1.JSON{Raw: []byte(`"green"`)})
			})
			spec.Required, spec.XValidations = nil, nil
			spec.Properties["more"] = apiextensionsv1.JSONSchemaProps{Type: "string"}
		}, nil},
		"a field is gone": {func(spec *apiextensionsv1.JSONSchemaProps) { delete(spec.Properties, "note") }, []string{"v1alpha1.spec.note is gone"}},
		"a field is required": {func(spec *apiextensionsv1.JSONSchemaProps) { spec.Required = append(spec.Required, "size") },
			[]string{"v1alpha1.spec.size is required now"}},
		"a value is gone": {func(spec *apiextensionsv1.JSONSchemaProps) {
			edit(spec, "color", func(p *apiextensionsv1.JSONSchemaProps) { p.Enum = p.Enum[:1] })
		}, []string{`v1alpha1.spec.color does not take "blue" any more`}},
		"a bound is narrower, another one new": {func(spec *apiextensionsv1.JSONSchemaProps) {
			less, short := 5.0, int64(9)
			edit(spec, "size", func(p *apiextensionsv1.JSONSchemaProps) { p.Maximum = &less })
			edit(spec, "note", func(p *apiextensionsv1.JSONSchemaProps) { p.MaxLength = &short })
		}, []string{"v1alpha1.spec.note: the greatest length was not bounded and is 9", "v1alpha1.spec.size: the greatest value was 10 and is 5"}},
		"a type differs": {func(spec *apiextensionsv1.JSONSchemaProps) {
			edit(spec, "note", func(p *apiextensionsv1.JSONSchemaProps) { p.Type = "integer" })
		}, []string{"v1alpha1.spec.note: the type was string and is integer"}},
		"a rule is new": {func(spec *apiextensionsv1.JSONSchemaProps) {
			spec.XValidations = append(spec.XValidations, apiextensionsv1.ValidationRule{Rule: "has(self.note)"})
		}, []string{"v1alpha1.spec has a new rule: has(self.note)"}},
		"within lists and maps": {func(spec *apiextensionsv1.JSONSchemaProps) {
			short := int64(1)
			spec.Properties["labels"].AdditionalProperties.Schema.MaxLength = &short
			delete(spec.Properties["ports"].Items.Schema.Properties, "port")
		}, []string{"v1alpha1.spec.labels{}: the greatest length was 10 and is 1", "v1alpha1.spec.ports[].port is gone"}},
		"a list is merged by other keys": {func(spec *apiextensionsv1.JSONSchemaProps) {
			edit(spec, "ports", func(p *apiextensionsv1.JSONSchemaProps) { p.XListMapKeys = []string{"port", "protocol"} })
		}, []string{"v1alpha1.spec.ports: the list's keys were [port] and are [port protocol]"}},
		"unknown fields are dropped": {func(spec *apiextensionsv1.JSONSchemaProps) {
			edit(spec, "free", func(p *apiextensionsv1.JSONSchemaProps) { p.XPreserveUnknownFields = nil })
		}, []string{"v1alpha1.spec.free drops fields that are not known"}},
	} {
		t.Run(name, func(t *testing.T) {
			after := definition(t, before)
			root := after.Spec.Versions[0].Schema.OpenAPIV3Schema
			edit(root, "spec", tc.change)
			if diff := cmp.Diff(tc.want, Breaks(definition(t, before), after)); diff != "" {
				t.Errorf("Breaks() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAVersionThatIsNotServedAnyMoreIsFound(t *testing.T) {
	after := definition(t, before)
	after.Spec.Versions[0].Served = false
	if diff := cmp.Diff([]string{"version v1alpha1 is not served any more"}, Breaks(definition(t, before), after)); diff != "" {
		t.Errorf("Breaks() differs (-want +got):\n%s", diff)
	}
}

func edit(of *apiextensionsv1.JSONSchemaProps, field string, change func(*apiextensionsv1.JSONSchemaProps)) {
	p := of.Properties[field]
	change(&p)
	of.Properties[field] = p
}
