package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// lazy is a policy for the Deployment web whose placement names one cluster.
func lazy(name, cluster string) *v1alpha1.PropagationPolicy {
	policy := eager(name, cluster)
	policy.Spec.ActivationPreference = v1alpha1.ActivationLazy
	return policy
}

func eager(name, cluster string) *v1alpha1.PropagationPolicy {
	policy := webPolicy(name)
	policy.Spec.Placement.ClusterAffinity.ClusterNames = []string{cluster}
	return policy
}

// step is what happens to the Deployment web or its policy.
type step func(*testing.T, *bed)

// says replaces a policy, or makes it.
func says(policy *v1alpha1.PropagationPolicy) step {
	return func(t *testing.T, b *bed) {
		t.Helper()
		have := &v1alpha1.PropagationPolicy{}
		if err := b.host.Get(t.Context(), client.ObjectKeyFromObject(policy), have); err != nil {
			create(t, b, policy)
			return
		}
		have.Spec = policy.Spec
		b.change(t, have)
	}
}

func goes(name string) step {
	return func(t *testing.T, b *bed) {
		t.Helper()
		if err := b.host.Delete(t.Context(), webPolicy(name)); err != nil {
			t.Fatal(err)
		}
	}
}

func edited(change func(*unstructured.Unstructured)) step {
	return func(_ *testing.T, b *bed) {
		template := webTemplate()
		change(template)
		b.templates.put(template)
	}
}

func labelled(u *unstructured.Unstructured) { u.SetLabels(map[string]string{"team": "red"}) }
func reported(u *unstructured.Unstructured) {
	u.Object["status"] = map[string]any{"replicas": int64(3)}
}
func numbered(u *unstructured.Unstructured) { u.SetResourceVersion("7"); u.SetGeneration(2) }
func restart(_ *testing.T, b *bed)          { b.restart() }
func requiredBefore(t *testing.T, b *bed)   { create(t, b, requiredWeb()) }
func withoutMemory(t *testing.T, b *bed) {
	binding := b.binding(t, web)
	binding.SetAnnotations(nil)
	b.change(t, binding)
}

func TestALazyPolicyWaitsForTheNextChangeOfTheTemplate(t *testing.T) {
	type goesTo struct{ Policy, Cluster string }
	for name, tc := range map[string]struct {
		steps []step
		want  goesTo
	}{
		"a template without a binding does not wait":    {[]step{says(lazy("web", "m1"))}, goesTo{"web", "m1"}},
		"nor does one that only goes along":             {[]step{requiredBefore, says(lazy("web", "m1"))}, goesTo{"web", "m1"}},
		"the policy changes":                            {[]step{says(lazy("web", "m1")), says(lazy("web", "m2"))}, goesTo{"web", "m1"}},
		"the manager restarts":                          {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), restart}, goesTo{"web", "m1"}},
		"the members report":                            {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), edited(reported)}, goesTo{"web", "m1"}},
		"the host writes to the template's metadata":    {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), edited(numbered)}, goesTo{"web", "m1"}},
		"the memory is lost":                            {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), withoutMemory}, goesTo{"web", "m1"}},
		"the template changes":                          {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), edited(labelled)}, goesTo{"web", "m2"}},
		"the template changes, with a restart between":  {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), restart, edited(labelled)}, goesTo{"web", "m2"}},
		"the template changed before":                   {[]step{says(lazy("web", "m1")), edited(labelled), says(lazy("web", "m2"))}, goesTo{"web", "m1"}},
		"the template changes after the memory is lost": {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), withoutMemory, edited(labelled)}, goesTo{"web", "m2"}},
		"the policy is lazy no more":                    {[]step{says(lazy("web", "m1")), says(lazy("web", "m2")), says(eager("web", "m2"))}, goesTo{"web", "m2"}},
		"the policy becomes lazy":                       {[]step{says(eager("web", "m1")), says(lazy("web", "m2"))}, goesTo{"web", "m1"}},
		"it became lazy, and the template changes":      {[]step{says(eager("web", "m1")), says(lazy("web", "m2")), edited(labelled)}, goesTo{"web", "m2"}},
		"it takes over from another one":                {[]step{says(eager("web", "m1")), goes("web"), says(lazy("next", "m2"))}, goesTo{"next", "m1"}},
		"it took over, and the template changes":        {[]step{says(eager("web", "m1")), goes("web"), says(lazy("next", "m2")), edited(labelled)}, goesTo{"next", "m2"}},
		"another one takes over":                        {[]step{says(lazy("web", "m1")), goes("web"), says(eager("next", "m2"))}, goesTo{"next", "m2"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, newTemplates(webTemplate()), shop())
			for _, step := range tc.steps {
				step(t, b)
				b.reconcile(t, web)
			}
			spec := b.binding(t, web).BindingSpec()
			got := goesTo{spec.Policy.Name, spec.Placement.ClusterAffinity.ClusterNames[0]}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("where it goes (-want +got):\n%s", diff)
			}
			before := b.writes()
			b.reconcile(t, web)
			b.expectWrites(t, before)
		})
	}
}

func TestAChangeOfALazyPolicyWritesNothing(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), lazy("web", "m1"))
	b.reconcile(t, web)
	says(lazy("web", "m2"))(t, b)
	b.reconcile(t, web)
	b.restart()
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1})
}

func TestReplicasFollowTheTemplateWhileALazyPolicyWaits(t *testing.T) {
	suspended := lazy("web", "m1")
	suspended.Spec.DependentOverrides = []string{"images"}
	b := newBed(t, newTemplates(webTemplate()), shop(), lazy("web", "m1"))
	b.reconcile(t, web)
	says(suspended)(t, b)
	edited(func(u *unstructured.Unstructured) { u.Object["spec"] = map[string]any{"replicas": int64(7)} })(t, b)
	b.reconcile(t, web)
	before := b.binding(t, web)
	if got := before.BindingSpec().Replicas; got == nil || *got != 7 {
		t.Errorf("replicas are %v, want 7", got)
	}
	create(t, b, &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "images"}})
	moved := suspended.DeepCopy()
	moved.Spec.Placement.ClusterAffinity.ClusterNames = []string{"m2"}
	says(moved)(t, b)
	b.reconcile(t, web)
	if got := b.binding(t, web).BindingSpec().Placement.ClusterAffinity.ClusterNames[0]; got != "m2" {
		t.Errorf("it goes to %s, want m2: the template changed while it waited for an override policy", got)
	}
}
