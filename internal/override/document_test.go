package override

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func configMap(document string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "conf", "namespace": "shop"}, "data": map[string]any{"x": document},
	}}
}

func TestWhatIsNotTouchedInADocumentStaysAsItIsWritten(t *testing.T) {
	const place = "# where it is\nz: 1\ny: 2 # north\nmode: 0644\nratio: 1.0\nday: 2001-12-14\nbig: 12345678901234567890\nlist:\n- a\n- b\n"
	for name, tc := range map[string]struct{ overrider, before, after string }{
		"YAML, something added":     {`yaml: [{subPath: /new, operator: add, value: "yes"}]`, place, place + "new: \"yes\"\n"},
		"YAML, something replaced":  {`yaml: [{subPath: /y, operator: replace, value: 3}]`, place, strings.Replace(place, "y: 2", "y: 3", 1)},
		"YAML, something removed":   {`yaml: [{subPath: /ratio, operator: remove}]`, place, strings.Replace(place, "ratio: 1.0\n", "", 1)},
		"YAML, an element inserted": {`yaml: [{subPath: /list/1, operator: add, value: x}]`, place, strings.Replace(place, "- a\n", "- a\n- x\n", 1)},
		"YAML, an element appended": {`yaml: [{subPath: /list/-, operator: add, value: {k: [1]}}]`, place, place + "- k:\n  - 1\n"},
		"YAML, an element removed":  {`yaml: [{subPath: /list/0, operator: remove}]`, place, strings.Replace(place, "- a\n", "", 1)},
		"JSON":                      {`json: [{subPath: /b, operator: replace, value: 2}]`, `{"z":12345678901234567890,"a":1.0,"b":1}`, `{"z":12345678901234567890,"a":1.0,"b":2}`},
		"JSON on several lines":     {`json: [{subPath: /b, operator: replace, value: 2}]`, "{\n  \"b\": 1\n}\n", "{\n  \"b\": 2\n}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := Compile(policyOf(t, "fieldOverrider: [{fieldPath: /data/x, "+tc.overrider+"}]"))
			if err != nil {
				t.Fatalf("Compile(): %v", err)
			}
			obj := applyOnce(t, compiled, configMap(tc.before), europe())
			if got, _, _ := unstructured.NestedString(obj.Object, "data", "x"); got != tc.after {
				t.Errorf("got\n%s\nwant\n%s", got, tc.after)
			}
		})
	}
}

func TestADocumentThatCannotBeChangedSafelyIsAnError(t *testing.T) {
	for name, tc := range map[string]struct{ operations, document, want string }{
		"several documents":       {`[{subPath: /a, operator: replace, value: 1}]`, "a: 1\n---\nb: 2\n", "there are several YAML documents in it"},
		"nothing":                 {`[{subPath: /a, operator: add, value: 1}]`, "", "there is nothing in it"},
		"only a comment":          {`[{subPath: /a, operator: add, value: 1}]`, "# later\n", ""},
		"a text":                  {`[{subPath: /a, operator: add, value: 1}]`, "hello\n", "is no place there"},
		"what is not there":       {`[{subPath: /b, operator: replace, value: 1}]`, "a: 1\n", "replace /b: it does not exist"},
		"nothing to remove":       {`[{subPath: /b, operator: remove}]`, "a: 1\n", "remove /b: it does not exist"},
		"a way that is not there": {`[{subPath: /b/c, operator: add, value: 1}]`, "a: 1\n", `add /b/c: there is no "b" on the way`},
		"a place far behind":      {`[{subPath: /l/7, operator: add, value: 1}]`, "l: [1]\n", "is no place there"},
		"an alias of what goes":   {`[{subPath: /a, operator: remove}]`, "a: &a {x: 0}\nb: *a\n", "the document cannot be read any more after the change"},
		"what is used elsewhere":  {`[{subPath: /b/x, operator: replace, value: 1}]`, "a: &a {x: 0}\nb: *a\n", "it does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := Compile(policyOf(t, "fieldOverrider: [{fieldPath: /data/x, yaml: "+tc.operations+"}]"))
			if err != nil {
				t.Fatalf("Compile(): %v", err)
			}
			if _, err := Apply(configMap(tc.document), europe(), []*Policy{compiled}, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Apply() = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWhatASchemaWouldRefuseIsRefusedWithoutOne(t *testing.T) {
	for name, tc := range map[string]struct{ overriders, want string }{
		"a part of an image that there is not": {`imageOverrider: [{operator: add, value: x}]`, `component ""`},
		"an operator of an image":              {`imageOverrider: [{component: Tag, operator: put, value: x}]`, `operator "put"`},
		"an operator of args":                  {`argsOverrider: [{containerName: web, operator: replace, value: [x]}]`, `operator "replace"`},
		"an operator of labels":                {`labelsOverrider: [{operator: put, value: {a: b}}]`, `operator "put"`},
		"nothing to add":                       {`plaintext: [{path: /spec/x, operator: add}]`, "value: is required for add"},
		"nothing to add to a document":         {`fieldOverrider: [{fieldPath: /data/x, yaml: [{subPath: /a, operator: replace}]}]`, "yaml[0].value: is required for add and replace"},
		"several patches in one":               {"patches: [{patch: \"spec: {a: 1}\\n---\\nspec: {b: 1}\\n\"}]", "there are several YAML documents in it"},
		"a variable in a key":                  {`patches: [{patch: "{metadata: {labels: {'${cluster.name}': x}}}"}]`, "a key cannot ask about the cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Compile(policyOf(t, tc.overriders)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Compile() = %v, want %q", err, tc.want)
			}
		})
	}
}
