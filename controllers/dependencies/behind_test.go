package dependencies

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
)

// These tests let the cache of bindings, or that of templates, be behind the host.

// TestTwoOwnersOfWhatTheCacheDoesNotShowKeepEachOthersEntries lets two owners ask for an object whose binding is made while the cache is
// away for longer than an own write is waited for.
func TestTwoOwnersOfWhatTheCacheDoesNotShowKeepEachOthersEntries(t *testing.T) {
	b := newBed(t, owner("web", "m1"), owner("api", "m2"))
	b.templates.put(t, web, api, settings)
	b.watchAll()
	catchUp := b.blink(t)
	b.reconcile(t, webKey)
	b.clock.SetTime(b.clock.Now().Add(ownwrites.Patience))
	if result := b.reconcile(t, apiKey); result.RequeueAfter == 0 {
		t.Error("the other owner is not looked at again")
	}
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("web", "m1")}})
	catchUp()
	b.reconcile(t, apiKey)
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("api", "m2"), by("web", "m1")}})
}

// TestALeaderWithAnOldListTakesNobodysEntryOut is a new leader whose cache lacks what the one before it wrote.
func TestALeaderWithAnOldListTakesNobodysEntryOut(t *testing.T) {
	b := newBed(t, owner("web", "m1"), owner("api", "m2"))
	b.templates.put(t, web, api, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	required := func(entries ...v1alpha1.BindingSnapshot) {
		b.change(t, settingsKey, func(binding *v1alpha1.ResourceBinding) { binding.Spec.RequiredBy = entries })
	}
	required(by("job", "m3"), by("web", "m1"))
	catchUp := b.blink(t)
	required(by("api", "m2"), by("job", "m3"), by("web", "m1"))
	b.templates.put(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: c}]}}}}`)
	b.writes.Forget(settingsKey) // that of the leader before
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("api", "m2"), by("job", "m3"), by("web", "m1")}})
	catchUp()
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("api", "m2"), by("job", "m3")}})
}

func TestARefusedWriteIsNotRepeatedUntilTheCacheHasCaughtUp(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	b.change(t, webKey, decided("m2"))
	catchUp := b.blink(t)
	b.change(t, settingsKey, held("m1")) // by the member's report
	b.writes.Forget(settingsKey)
	before := b.applies
	var looks int
	for since := b.clock.Now(); b.clock.Since(since) < ownwrites.Patience; looks++ {
		b.clock.SetTime(b.clock.Now().Add(b.reconcile(t, webKey).RequeueAfter))
	}
	if got := b.applies - before; got != 1 || looks > 12 {
		t.Errorf("%d writes and %d looks within %s, want one write and 12 looks at most", got, looks, ownwrites.Patience)
	}
	catchUp()
	if result := b.reconcile(t, webKey); result != (ctrl.Result{}) {
		t.Errorf("when the cache has caught up: %+v, want content", result)
	}
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("web", "m2")}})
}

// TestAnOwnerThatChangesItsMindBeforeItsEntryIsSeenIsLookedAtAgain edits a template while the cache does not show what was written for it.
func TestAnOwnerThatChangesItsMindBeforeItsEntryIsSeenIsLookedAtAgain(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, settings)
	b.watchAll()
	catchUp := b.blink(t)
	b.reconcile(t, webKey)
	b.templates.put(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: c}]}}}}`)
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("web", "m1")}})
	catchUp()
	q := &recorder{}
	b.onBinding().Create(t.Context(), event.CreateEvent{Object: b.binding(t, settingsKey)}, q)
	if diff := cmp.Diff([]ctrl.Request{{NamespacedName: webKey}}, q.added); diff != "" {
		t.Fatalf("what is looked at (-want +got):\n%s", diff)
	}
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{})
}

func TestAChangeOfWhoRequiresAnObjectLeadsToThoseWhoseEntriesDiffer(t *testing.T) {
	preserved := by("web", "m1")
	preserved.PreserveResourcesOnDeletion = true
	for name, tc := range map[string]struct {
		before, after []v1alpha1.BindingSnapshot
		want          []string
	}{
		"one is new":         {[]v1alpha1.BindingSnapshot{by("api", "m1")}, []v1alpha1.BindingSnapshot{by("api", "m1"), by("web", "m1")}, []string{"web"}},
		"one has gone":       {[]v1alpha1.BindingSnapshot{by("api", "m1"), by("web", "m1")}, []v1alpha1.BindingSnapshot{by("web", "m1")}, []string{"api"}},
		"one moves":          {[]v1alpha1.BindingSnapshot{by("api", "m1"), by("web", "m1")}, []v1alpha1.BindingSnapshot{by("api", "m1"), by("web", "m2")}, []string{"web"}},
		"one preserves":      {[]v1alpha1.BindingSnapshot{by("web", "m1")}, []v1alpha1.BindingSnapshot{preserved}, []string{"web"}},
		"one after another":  {[]v1alpha1.BindingSnapshot{by("api", "m1")}, []v1alpha1.BindingSnapshot{by("web", "m1")}, []string{"api", "web"}},
		"something else did": {[]v1alpha1.BindingSnapshot{by("api", "m1")}, []v1alpha1.BindingSnapshot{by("api", "m1")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			before, after := bindingOf(configMap, "settings"), bindingOf(configMap, "settings")
			before.Spec = v1alpha1.BindingSpec{Resource: before.Spec.Resource, RequiredBy: tc.before}
			after.Spec = v1alpha1.BindingSpec{Resource: after.Spec.Resource, RequiredBy: tc.after}
			before.Generation, after.Generation, after.ResourceVersion = 1, 2, "7"
			b.writes.Wrote(settingsKey, "7")
			q := &recorder{}
			b.onBinding().Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, q)
			var got []string
			for _, request := range q.added {
				for _, owner := range []string{"api", "web"} {
					if request.NamespacedName == keyOf(deployment, owner) {
						got = append(got, owner)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("what is looked at (-want +got):\n%s", diff)
			}
		})
	}
}

// host answers live questions for templates with an error, or that they are there, and counts them.
type host struct {
	client.Reader
	err   error
	asked int
}

func (h *host) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, template := obj.(*metav1.PartialObjectMetadata); !template {
		return h.Reader.Get(ctx, key, obj, opts...)
	}
	h.asked++
	return h.err
}

// TestWhatWasMerelyNotFoundStaysUntilTheHostSaysThatItIsGone lets the cache of templates lack a ServiceAccount, and with it what that
// needs.
func TestWhatWasMerelyNotFoundStaysUntilTheHostSaysThatItIsGone(t *testing.T) {
	resource := schema.GroupResource{Resource: "serviceaccounts"}
	for name, tc := range map[string]struct {
		live    error
		stays   bool
		again   time.Duration
		wantErr bool
	}{
		"it is there":       {nil, true, overlookedRetry, false},
		"it is gone":        {apierrors.NewNotFound(resource, "robot"), false, 0, false},
		"it is not served":  {apierrors.NewGenericServerResponse(404, "get", resource, "robot", "404 page not found", 0, true), true, unservedRetry, false},
		"the host is away":  {apierrors.NewServiceUnavailable("starting"), true, 0, true},
		"it is not allowed": {apierrors.NewForbidden(resource, "robot", nil), true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, owner("web", "m1"))
			b.templates.put(t, web, settings, robot, pull)
			b.watchAll()
			b.reconcile(t, webKey)
			b.templates.drop(schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}, "robot")
			b.change(t, webKey, decided("m2"))
			live := &host{Reader: b.host, err: tc.live}
			b.live = live
			result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: webKey})
			if (err != nil) != tc.wantErr || result.RequeueAfter != tc.again || live.asked != 1 {
				t.Errorf("Reconcile() = %+v, %v after %d questions; want again after %s, an error: %t, one question", result, err, live.asked, tc.again, tc.wantErr)
			}
			entry := []v1alpha1.BindingSnapshot{by("web", "m2")}
			want := map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": entry}
			if tc.stays {
				want["ServiceAccount robot"], want["Secret pull"] = entry, entry
			}
			b.expect(t, want)
		})
	}
}

// TestWhatIsNotAskedForAnyMoreNeedsNoProof edits a template, and a budget: both are seen, so nobody is asked.
func TestWhatIsNotAskedForAnyMoreNeedsNoProof(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, settings, budget)
	b.watchAll()
	b.reconcile(t, webKey)
	live := &host{Reader: b.host}
	b.live = live
	b.templates.put(t, `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: budget}, spec: {selector: {matchLabels: {app: other}}}}`,
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}}`)
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{})
	if live.asked != 0 {
		t.Errorf("the host was asked %d times, want never", live.asked)
	}
}

// TestNothingIsGivenUpThatComesThroughWhatCannotBeSeen makes the ServiceAccount's kind unreadable: what it needs is of one that can be read.
func TestNothingIsGivenUpThatComesThroughWhatCannotBeSeen(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, robot, pull)
	b.watchAll()
	b.reconcile(t, webKey)
	b.templates.starting[schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}] = true
	b.reconcile(t, webKey)
	entry := []v1alpha1.BindingSnapshot{by("web", "m1")}
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ServiceAccount robot": entry, "Secret pull": entry})
}

// partial is a cache of templates that finds some of a kind and cannot tell whether there are more.
type partial struct {
	*templates
	gvk schema.GroupVersionKind
}

func (p partial) ListIn(gvk schema.GroupVersionKind, namespace string) ([]any, error) {
	all, err := p.templates.ListIn(gvk, namespace)
	if gvk == p.gvk {
		return all, objectcache.ErrNotSynced
	}
	return all, err
}

func TestWhatIsFoundGoesAlongAlthoughThereMayBeMore(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, scaler, budget)
	b.watchAll()
	b.reconcile(t, webKey)
	b.templates.drop(schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}, "budget")
	b.templates.put(t, `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: wrapped}, spec: {selector: {matchLabels: {app: web}}}}`)
	b.Reconciler.templates = partial{b.templates, schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}}
	if result := b.reconcile(t, webKey); result.RequeueAfter != unknownRetry {
		t.Errorf("Reconcile() = %+v, want to be looked at again after %s", result, unknownRetry)
	}
	entry := []v1alpha1.BindingSnapshot{by("web", "m1")}
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{
		"HorizontalPodAutoscaler scaler": entry, "PodDisruptionBudget budget": entry, "PodDisruptionBudget wrapped": entry,
	})
}

// TestAnOwnerThatIsBeingDeletedTellsAtLastWhetherToPreserve changes what the binding or its policy says together with the deletion.
func TestAnOwnerThatIsBeingDeletedTellsAtLastWhetherToPreserve(t *testing.T) {
	policy := func(preserve bool, preference v1alpha1.ActivationPreference) client.Object {
		return &v1alpha1.PropagationPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"},
			Spec:       v1alpha1.PropagationSpec{PreserveResourcesOnDeletion: &preserve, ActivationPreference: preference},
		}
	}
	for name, tc := range map[string]struct {
		before, after bool // the binding says
		policy        client.Object
		want          bool
	}{
		"the binding was told":                   {false, true, policy(false, ""), true},
		"only the policy says it":                {false, false, policy(true, ""), true},
		"a lazy policy says it":                  {false, false, policy(true, v1alpha1.ActivationLazy), false},
		"neither says it any more":               {true, false, policy(false, ""), false},
		"the binding was told, without a policy": {false, true, nil, true},
		"nobody says it":                         {false, false, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := owner("web", "m1")
			o.Spec.PreserveResourcesOnDeletion = &tc.before
			objects := append(fleet("m1"), o)
			if tc.policy != nil {
				objects = append(objects, tc.policy)
			}
			b := newBed(t, objects...)
			b.templates.put(t, web, settings)
			b.watchAll()
			b.reconcile(t, webKey)
			b.change(t, webKey, func(binding *v1alpha1.ResourceBinding) {
				binding.Spec.PreserveResourcesOnDeletion = &tc.after
				binding.Spec.Clusters = named("m2") // where it never came
			})
			if err := b.host.Delete(t.Context(), owner("web")); err != nil {
				t.Fatal(err)
			}
			b.templates.drop(deployment, "web")
			if result := b.reconcile(t, webKey); result != (ctrl.Result{}) {
				t.Errorf("Reconcile() = %+v, want content", result)
			}
			want := by("web", "m1")
			want.PreserveResourcesOnDeletion = tc.want
			b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {want}})
			ended := b.binding(t, webKey)
			ended.Finalizers = nil
			if err := b.host.Update(t.Context(), ended); err != nil {
				t.Fatal(err)
			}
			b.reconcile(t, webKey)
			got := b.binding(t, settingsKey)
			if got.DeletionTimestamp == nil || got.Spec.Preserves("m1") != tc.want {
				t.Errorf("being deleted: %v, preserved: %v, want %v", got.DeletionTimestamp, got.Spec.Preserves("m1"), tc.want)
			}
		})
	}
}

// TestAClusterThatTheCacheDoesNotShowKeepsWhatIsPreservedInIt is a leader that has not heard of a Cluster yet.
func TestAClusterThatTheCacheDoesNotShowKeepsWhatIsPreservedInIt(t *testing.T) {
	b := newBed(t, append(fleet("m1"), owner("api", "m1"))...)
	b.templates.put(t, api, settings)
	b.reconcile(t, apiKey)
	b.change(t, settingsKey, func(binding *v1alpha1.ResourceBinding) { binding.Spec.PreservedIn = []string{"m1", "m2", "m3"} })
	catchUp := b.blink(t)
	if err := b.host.Create(t.Context(), fleet("m2")[0]); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, settingsKey)
	catchUp()
	if diff := cmp.Diff([]string{"m1", "m2"}, b.binding(t, settingsKey).Spec.PreservedIn); diff != "" {
		t.Errorf("preserved in (-want +got):\n%s", diff)
	}
}
