package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// misread is a template of which the test's interpreter makes nothing.
func misread() *unstructured.Unstructured {
	template := webTemplate()
	template.Object["spec"] = map[string]any{"replicas": int64(9), "parts": "none"}
	return template
}

func TestComponentsOfATemplateAreWritten(t *testing.T) {
	template := webTemplate()
	template.Object["spec"] = map[string]any{"parts": []any{"head", "worker"}}
	b := newBed(t, newTemplates(template), shop(), webPolicy("web"))
	b.reconcile(t, web)
	want := []v1alpha1.Component{{Name: "head", Replicas: 1}, {Name: "worker", Replicas: 1}}
	if diff := cmp.Diff(want, b.binding(t, web).BindingSpec().Components); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}

func TestATemplateThatCannotBeUnderstoodKeepsWhatIsKnown(t *testing.T) {
	cache := newTemplates(webTemplate())
	b := newBed(t, cache, shop(), webPolicy("web"))
	b.reconcile(t, web)
	known := b.binding(t, web).BindingSpec().Replicas
	cache.put(misread())
	b.reconcile(t, web)
	got := b.binding(t, web)
	if diff := cmp.Diff(known, got.BindingSpec().Replicas); diff != "" {
		t.Errorf("replicas (-want +got):\n%s", diff)
	}
	if got.BindingSpec().Suspension != nil {
		t.Errorf("what runs already is held back: %v", got.BindingSpec().Suspension)
	}
	condition := meta.FindStatusCondition(got.BindingStatus().Conditions, v1alpha1.ConditionInterpreted)
	if condition == nil || condition.Reason != v1alpha1.ReasonEvaluationFailed {
		t.Errorf("condition is %v", condition)
	}
	cache.put(webTemplate())
	b.reconcile(t, web)
	if condition := meta.FindStatusCondition(b.binding(t, web).BindingStatus().Conditions, v1alpha1.ConditionInterpreted); condition != nil {
		t.Errorf("condition stays: %v", condition)
	}
}

func TestATemplateThatWasNeverUnderstoodWaits(t *testing.T) {
	cache := newTemplates(misread())
	b := newBed(t, cache, shop(), webPolicy("web"))
	b.reconcile(t, web)
	b.reconcile(t, web)
	held := &v1alpha1.BindingSuspension{Suspension: v1alpha1.Suspension{Dispatching: ptr.To(true)}}
	if diff := cmp.Diff(held, b.binding(t, web).BindingSpec().Suspension); diff != "" {
		t.Errorf("suspension (-want +got):\n%s", diff)
	}
	cache.put(webTemplate())
	b.reconcile(t, web)
	got := b.binding(t, web).BindingSpec()
	if got.Suspension != nil || got.Replicas == nil {
		t.Errorf("it waits still: %v, %v", got.Suspension, got.Replicas)
	}
}
