package placing

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestAWrappedTemplateInAFileIsTheTemplateThatItWraps(t *testing.T) {
	documents, err := parseDocuments("all.yaml", strings.NewReader(`
apiVersion: flotilla.dev/v1alpha1
kind: ResourceTemplate
metadata: {name: wrapped}
spec: {manifest: {apiVersion: example.com/v1, kind: Widget, metadata: {name: w, labels: {a: b}}}}
---
apiVersion: flotilla.dev/v1alpha1
kind: OverridePolicy
metadata: {name: differs}
`))
	if err != nil || !hasTemplates(documents) || hasTemplates(documents[1:]) {
		t.Fatalf("parsed %d documents: %v; only the first is a template", len(documents), err)
	}
	s, err := sortOut(documents, func(schema.GroupVersionKind) bool { return true }, "shop")
	if err != nil || len(s.templates) != 1 {
		t.Fatalf("templates are %v: %v", s.templates, err)
	}
	want := map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "w", "namespace": "shop", "labels": map[string]any{"a": "b"}}}
	if diff := cmp.Diff(want, s.templates[0].Object); diff != "" {
		t.Errorf("template (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"all.yaml, document 2: a OverridePolicy has no part in a placement."}, s.ignored); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
}
