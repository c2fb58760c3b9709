package propagation

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

func overridePolicy(namespace, name string) client.Object {
	if namespace == "" {
		return &v1alpha1.ClusterOverridePolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	return &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func TestATemplateWaitsForTheOverridesThatItsPolicyDependsOn(t *testing.T) {
	for name, tc := range map[string]struct {
		exist []client.Object
		want  writes
	}{
		"none":                     {nil, writes{}},
		"one of two":               {[]client.Object{overridePolicy("shop", "images")}, writes{}},
		"one of another namespace": {[]client.Object{overridePolicy("shop", "images"), overridePolicy("other", "labels")}, writes{}},
		"both":                     {[]client.Object{overridePolicy("shop", "images"), overridePolicy("", "labels")}, writes{Applies: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			policy := webPolicy("web")
			policy.Spec.DependentOverrides = []string{"images", "labels"}
			b := newBed(t, newTemplates(webTemplate()), append(tc.exist, shop(), policy)...)
			b.reconcile(t, web)
			b.expectWrites(t, tc.want)
		})
	}
}

func TestWhatIsPropagatedStaysWhenAnOverrideGoes(t *testing.T) {
	policy := webPolicy("web")
	policy.Spec.DependentOverrides = []string{"images"}
	images := overridePolicy("shop", "images")
	b := newBed(t, newTemplates(webTemplate()), shop(), policy, images)
	b.reconcile(t, web)
	if err := b.host.Delete(t.Context(), images); err != nil {
		t.Fatal(err)
	}
	policy.Spec.ConflictResolution = v1alpha1.ConflictOverwrite
	b.change(t, policy)
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1, Deletes: 1}) // the test deletes the override policy itself
	diffSpec(t, webSpec("web"), b.binding(t, web))
}

func TestWhatGoesAlongWaitsForTheOverridesThatItsPolicyDependsOn(t *testing.T) {
	policy := webPolicy("web")
	policy.Spec.DependentOverrides = []string{"images"}
	b := newBed(t, newTemplates(webTemplate()), shop(), policy, requiredWeb())
	b.reconcile(t, web)
	got := b.binding(t, web).BindingSpec()
	if !got.Attached() || got.Suspension == nil || !ptr.Deref(got.Suspension.Held, false) {
		t.Errorf("it does not wait: policy %v, suspension %v", got.Policy, got.Suspension)
	}
	create(t, b, overridePolicy("shop", "images"))
	b.reconcile(t, web)
	got = b.binding(t, web).BindingSpec()
	if got.Attached() || got.Suspension != nil {
		t.Errorf("it waits still: policy %v, suspension %v", got.Policy, got.Suspension)
	}
}

func TestAnOverridePolicyBringsTheTemplatesOfThePoliciesThatDependOnIt(t *testing.T) {
	policy := webPolicy("web")
	policy.Spec.DependentOverrides = []string{"images"}
	b, q := newBed(t, newTemplates(webTemplate()), policy), templateQueue(t)
	handler := named[Request]{b.host, policyPriority, dependsOn, b.selectedBy}.handler()
	handler.Create(t.Context(), event.CreateEvent{Object: overridePolicy("shop", "labels")}, q)
	expectQueued(t, nil, q)
	handler.Create(t.Context(), event.CreateEvent{Object: overridePolicy("shop", "images")}, q)
	expectQueued(t, queued{"shop/web": policyPriority}, q)
}

func TestAPolicyNamesTheOverrideThatIsMissing(t *testing.T) {
	policy := webPolicy("web")
	policy.Spec.DependentOverrides = []string{"images", "labels"}
	got := judge(policy, surroundings{overrides: sets.New("images")})
	want := verdict{metav1.ConditionUnknown, v1alpha1.ReasonWatchStarting, "spec.resourceSelectors[0]: the watch of apps/v1 Deployment has not synced yet"}
	if got != want {
		t.Errorf("judge() = %v, want what is wrong with the kinds first: %v", got, want)
	}
	around := surroundings{
		kinds:     map[schema.GroupVersionKind]kindFacts{deployment: {watch: objectcache.State{Watched: true, Synced: true}}},
		overrides: sets.New("images"),
	}
	want = verdict{metav1.ConditionFalse, v1alpha1.ReasonOverrideMissing,
		"spec.dependentOverrides: there is no OverridePolicy or ClusterOverridePolicy labels, so that templates wait for it: create it, or take the name off"}
	if got := judge(policy, around); got != want {
		t.Errorf("judge() = %v, want %v", got, want)
	}
}
