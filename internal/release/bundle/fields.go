package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/operator-framework/api/pkg/operators/v1alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// apiGroup is the group of all kinds of ours.
const apiGroup = "flotilla.dev"

// What a console can show a field as.
const (
	asConditions = "urn:alm:descriptor:io.kubernetes.conditions"
	asSecret     = "urn:alm:descriptor:io.kubernetes:Secret"
	asSwitch     = "urn:alm:descriptor:com.tectonic.ui:booleanSwitch"
	asNumber     = "urn:alm:descriptor:com.tectonic.ui:number"
	asText       = "urn:alm:descriptor:com.tectonic.ui:text"
	asChoice     = "urn:alm:descriptor:com.tectonic.ui:select:"
)

// owned describes each kind: its words and fields come from its definition, what is shown beside it from people.
func owned(written []v1alpha1.CRDDescription, definitions []*unstructured.Unstructured) ([]v1alpha1.CRDDescription, error) {
	beside := map[string][]v1alpha1.APIResourceReference{}
	for _, kind := range written {
		beside[kind.Kind] = kind.Resources
	}
	var described []v1alpha1.CRDDescription
	for _, object := range definitions {
		var definition apiextensionsv1.CustomResourceDefinition
		if err := typed(object, &definition); err != nil {
			return nil, err
		}
		resources, found := beside[definition.Spec.Names.Kind]
		if !found {
			return nil, fmt.Errorf("%s/base.yaml does not say what belongs to a %s", manifestsDir, definition.Spec.Names.Kind)
		}
		delete(beside, definition.Spec.Names.Kind)
		for _, version := range definition.Spec.Versions {
			described = append(described, describeKind(definition, version, resources))
		}
	}
	if len(beside) > 0 {
		return nil, fmt.Errorf("%s/base.yaml names kinds that do not exist: %v", manifestsDir, slices.Sorted(maps.Keys(beside)))
	}
	return described, nil
}

func describeKind(
	definition apiextensionsv1.CustomResourceDefinition, version apiextensionsv1.CustomResourceDefinitionVersion,
	resources []v1alpha1.APIResourceReference,
) v1alpha1.CRDDescription {
	schema := version.Schema.OpenAPIV3Schema
	described := v1alpha1.CRDDescription{
		Name: definition.Name, Kind: definition.Spec.Names.Kind, Version: version.Name,
		DisplayName: words(definition.Spec.Names.Kind), Description: sentence(schema.Description), Resources: resources,
	}
	for _, field := range fields("", schema.Properties["spec"]) {
		described.SpecDescriptors = append(described.SpecDescriptors, v1alpha1.SpecDescriptor(field))
	}
	for _, field := range fields("", schema.Properties["status"]) {
		described.StatusDescriptors = append(described.StatusDescriptors, v1alpha1.StatusDescriptor(field))
	}
	return described
}

// field is the shape that the descriptors of spec and status share.
type field v1alpha1.SpecDescriptor

// fields describes what a console shows of a part: each field of it, and within objects theirs. A list is one field,
// and so is an object without fields of its own.
func fields(path string, schema apiextensionsv1.JSONSchemaProps) []field {
	var described []field
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name]
		place := strings.TrimPrefix(path+"."+name, ".")
		described = append(described, field{
			Path: place, DisplayName: words(name), Description: sentence(property.Description), XDescriptors: shownAs(name, property),
		})
		if !isSecret(name) {
			described = append(described, fields(place, property)...)
		}
	}
	return described
}

func isSecret(name string) bool { return name == "secretRef" }

// shownAs is how a console shows a field; nil means as it does by itself.
func shownAs(name string, property apiextensionsv1.JSONSchemaProps) []string {
	switch {
	case name == "conditions" && property.Type == "array":
		return []string{asConditions}
	case isSecret(name):
		return []string{asSecret}
	case property.Type == "boolean":
		return []string{asSwitch}
	case property.Type == "integer":
		return []string{asNumber}
	case property.Type == "string" && len(property.Enum) > 0:
		var choices []string
		for _, choice := range property.Enum {
			choices = append(choices, asChoice+strings.Trim(string(choice.Raw), `"`))
		}
		return choices
	case property.Type == "string":
		return []string{asText}
	}
	return nil
}

// words splits a name as Go and JSON write it: insecureSkipTLSVerification becomes Insecure Skip TLS Verification.
func words(name string) string {
	letters := []rune(name)
	var text strings.Builder
	for i, letter := range letters {
		starts := i > 0 && unicode.IsUpper(letter) &&
			(!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if starts {
			text.WriteRune(' ')
		}
		if i == 0 {
			letter = unicode.ToUpper(letter)
		}
		text.WriteRune(letter)
	}
	return text.String()
}

// sentence is the first one of a text, on one line.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if end := strings.Index(text, ". "); end >= 0 {
		text = text[:end+1]
	}
	return text
}
