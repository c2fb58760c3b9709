package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	held := &v1alpha1.BindingSuspension{Held: ptr.To(true)}
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

// TestWhatWasNeverUnderstoodWaitsUntilItIs goes through what can happen to a template before it is understood. In the end
// only what the user suspended is suspended.
func TestWhatWasNeverUnderstoodWaitsUntilItIs(t *testing.T) {
	suspended := webPolicy("web")
	suspended.Spec.Suspension = &v1alpha1.Suspension{Dispatching: ptr.To(true)}
	users := &v1alpha1.BindingSuspension{Suspension: v1alpha1.Suspension{Dispatching: ptr.To(true)}}
	held, both := &v1alpha1.BindingSuspension{Held: ptr.To(true)}, users.DeepCopy()
	both.Held = held.Held
	for name, tc := range map[string]struct {
		policy           *v1alpha1.PropagationPolicy
		binding          *v1alpha1.ResourceBinding
		meanwhile        func(*testing.T, *bed)
		first, then, end *v1alpha1.BindingSuspension
	}{
		"its policy goes":                      {policy: webPolicy("web"), meanwhile: withoutPolicy, first: held, then: held},
		"its policy goes, which suspends it":   {policy: suspended, meanwhile: withoutPolicy, first: both, then: both, end: users},
		"its policy does not suspend it more":  {policy: suspended, meanwhile: withoutSuspension, first: both, then: held},
		"it goes along and no policy knows it": {binding: requiredWeb(), first: held, then: held},
	} {
		t.Run(name, func(t *testing.T) {
			cache := newTemplates(misread())
			b := newBed(t, cache, shop())
			if tc.policy != nil {
				create(t, b, tc.policy.DeepCopy())
			}
			if tc.binding != nil {
				create(t, b, tc.binding)
			}
			expect := func(when string, want *v1alpha1.BindingSuspension) {
				t.Helper()
				b.reconcile(t, web)
				if diff := cmp.Diff(want, b.binding(t, web).BindingSpec().Suspension); diff != "" {
					t.Errorf("%s, suspension (-want +got):\n%s", when, diff)
				}
			}
			expect("at first", tc.first)
			if tc.meanwhile != nil {
				tc.meanwhile(t, b)
			}
			expect("then", tc.then)
			paused := b.binding(t, web)
			suspension := tc.then.DeepCopy()
			suspension.Scheduling = ptr.To(true)
			paused.BindingSpec().Suspension = suspension
			b.change(t, paused)
			before := b.writes()
			b.reconcile(t, web)
			b.expectWrites(t, before) // that others stop decisions is no reason to write
			suspension = tc.then.DeepCopy()
			paused = b.binding(t, web)
			paused.BindingSpec().Suspension = suspension
			b.change(t, paused)
			cache.put(webTemplate())
			expect("in the end", tc.end)
		})
	}
}

func create(t *testing.T, b *bed, obj client.Object) {
	t.Helper()
	if err := b.host.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
}

func withoutPolicy(t *testing.T, b *bed) {
	t.Helper()
	if err := b.host.Delete(t.Context(), webPolicy("web")); err != nil {
		t.Fatal(err)
	}
}

func withoutSuspension(t *testing.T, b *bed) {
	t.Helper()
	policy := &v1alpha1.PropagationPolicy{}
	if err := b.host.Get(t.Context(), client.ObjectKeyFromObject(webPolicy("web")), policy); err != nil {
		t.Fatal(err)
	}
	policy.Spec.Suspension = nil
	b.change(t, policy)
}

// requiredWeb is the binding of the Deployment web as dependencies makes it.
func requiredWeb() *v1alpha1.ResourceBinding {
	binding := required(v1alpha1.BindingSnapshot{Namespace: "shop", Name: "owner", Clusters: []v1alpha1.TargetCluster{{Name: "member1"}}})
	binding.Name = web.binding().Name
	binding.Spec.Resource = v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "web-uid"}
	return binding
}
