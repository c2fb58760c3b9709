package aggregation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestTheStatusOfAWrappedTemplateIsAPartOfItsWrappers(t *testing.T) {
	template := map[string]any{"replicas": int64(2)}
	native := &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment"}}
	wrapper := &unstructured.Unstructured{Object: map[string]any{"kind": "ResourceTemplate", "status": map[string]any{
		"conditions": []any{}, "manifest": map[string]any{"replicas": int64(1)},
	}}}
	before := wrapper.DeepCopy()
	for name, tc := range map[string]struct {
		f      facts
		holder *unstructured.Unstructured
		want   map[string]any
	}{
		"a native one":           {facts{template: native}, native, template},
		"a wrapped one":          {facts{template: native, wrapper: wrapper}, wrapper, map[string]any{"conditions": []any{}, "manifest": template}},
		"one that was just made": {facts{template: native, wrapper: native}, native, map[string]any{"manifest": template}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.f.holder(); got != tc.holder {
				t.Errorf("holder() = %v", got)
			}
			if diff := cmp.Diff(tc.want, tc.f.holderStatus(template)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(before, wrapper); diff != "" {
		t.Errorf("the wrapper was changed:\n%s", diff)
	}
}
