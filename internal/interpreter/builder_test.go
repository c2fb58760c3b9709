package interpreter

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// object reads an object as it comes from an API server: whole numbers are int64.
func object(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatalf("reading the manifest: %v", err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(raw); err != nil {
		t.Fatalf("reading the object: %v", err)
	}
	return obj
}

// fields reads the status of an otherwise empty object.
func fields(t *testing.T, status string) map[string]any {
	t.Helper()
	return statusOf(object(t, "{apiVersion: v1, kind: Any, status: "+status+"}"))
}
