package propagation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/recent"
)

// queued is what a handler asked for: priorities by template name.
type queued map[string]int

// drain empties a queue.
func drain[request comparable](q priorityqueue.PriorityQueue[request], name func(request) string) queued {
	got := queued{}
	for q.Len() > 0 {
		r, priority, _ := q.GetWithPriority()
		got[name(r)] = priority
		q.Done(r)
	}
	return got
}

func templateQueue(t *testing.T) priorityqueue.PriorityQueue[Request] {
	t.Helper()
	q := priorityqueue.New[Request](t.Name())
	t.Cleanup(q.ShutDown)
	return q
}

func byKey(r Request) string { return r.Key.String() }

func expectQueued(t *testing.T, want queued, q priorityqueue.PriorityQueue[Request]) {
	t.Helper()
	if diff := cmp.Diff(want, drain(q, byKey), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

func TestTheTemplateSourceBringsWhatWasThereBeforeItAndWhatComesAfter(t *testing.T) {
	cache, q := newTemplates(webTemplate()), templateQueue(t)
	source := newTemplateSource(cache, nil)
	cache.onEvent[0](objectcache.Event{GVK: deployment, Object: object(deployment, "shop", "early")}) // no queue yet
	if err := source.Start(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	cache.onEvent[0](objectcache.Event{GVK: deployment, Object: object(deployment, "shop", "changed")})
	cache.onEvent[0](objectcache.Event{GVK: deployment, Object: object(deployment, "shop", "gone"), Deleted: true})
	cache.onEvent[0](objectcache.Event{GVK: deployment, Object: object(deployment, "shop", "listed"), Initial: true})
	cache.put(object(configMap, "shop", "settings"))
	cache.onState[0](configMap)
	cache.Watch(schema.GroupVersionKind{Version: "v1", Kind: "Secret"})
	cache.onState[0](schema.GroupVersionKind{Version: "v1", Kind: "Secret"}) // not synced
	expectQueued(t, queued{
		"shop/web": resyncPriority, "shop/settings": resyncPriority, "shop/changed": userPriority, "shop/gone": userPriority,
	}, q)
}

func TestWhatChangedWhileNobodyLedIsServedFirst(t *testing.T) {
	cache, q := newTemplates(webTemplate(), object(deployment, "shop", "api")), templateQueue(t)
	source := newTemplateSource(cache, nil)
	source.latest = recent.NewLog[Request](clock.RealClock{}, time.Minute)
	cache.onEvent[0](objectcache.Event{GVK: deployment, Object: object(deployment, "shop", "web"), Initial: true})
	cache.onEvent[0](objectcache.Event{GVK: deployment, Object: object(deployment, "shop", "api")})
	if err := source.Start(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	expectQueued(t, queued{"shop/web": resyncPriority, "shop/api": userPriority}, q)
}

func TestAPolicyBringsTheTemplatesThatItSelectsSelectedOrGoverns(t *testing.T) {
	all := func(name string) *v1alpha1.PropagationPolicy {
		p := webPolicy("web")
		p.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{selecting(deployment, name), selecting(configMap, "")}
		return p
	}
	changed := all("api")
	changed.Generation = 2
	replaced := all("api")
	replaced.UID = "another"
	governed := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "old-deployment"}, Spec: webSpec("web")}
	governed.Spec.Resource.Name = "old"
	cache := newTemplates(webTemplate(), object(deployment, "shop", "api"), object(deployment, "shop", "third"), object(deployment, "other", "web"))
	tests := map[string]struct {
		send func(templateHandler, queueOf[Request])
		want queued
	}{
		"created": {
			func(h templateHandler, q queueOf[Request]) {
				h.Create(t.Context(), event.CreateEvent{Object: all("web")}, q)
			},
			queued{"shop/web": policyPriority},
		},
		"in the first list": {
			func(h templateHandler, q queueOf[Request]) {
				served := all("web")
				served.Status.ObservedGeneration = served.Generation
				h.Create(t.Context(), event.CreateEvent{Object: served, IsInInitialList: true}, q)
			}, nil,
		},
		"in the first list, written while nobody led": {
			func(h templateHandler, q queueOf[Request]) {
				h.Create(t.Context(), event.CreateEvent{Object: all("web"), IsInInitialList: true}, q)
			}, queued{"shop/web": policyPriority},
		},
		"changed": {
			func(h templateHandler, q queueOf[Request]) {
				h.Update(t.Context(), event.UpdateEvent{ObjectOld: all("web"), ObjectNew: changed}, q)
			},
			queued{"shop/web": policyPriority, "shop/api": policyPriority, "shop/old": policyPriority},
		},
		"replaced while the watch was away": {
			func(h templateHandler, q queueOf[Request]) {
				h.Update(t.Context(), event.UpdateEvent{ObjectOld: all("web"), ObjectNew: replaced}, q)
			},
			queued{"shop/web": policyPriority, "shop/api": policyPriority, "shop/old": policyPriority},
		},
		"with a new status only": {
			func(h templateHandler, q queueOf[Request]) {
				h.Update(t.Context(), event.UpdateEvent{ObjectOld: all("web"), ObjectNew: all("web")}, q)
			}, nil,
		},
		"deleted": {
			func(h templateHandler, q queueOf[Request]) {
				h.Delete(t.Context(), event.DeleteEvent{Object: all("web")}, q)
			},
			queued{"shop/old": policyPriority},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, q := newBed(t, cache, governed.DeepCopy()), templateQueue(t)
			tc.send(b.onPolicy(), q)
			expectQueued(t, tc.want, q)
		})
	}
}

func TestABindingBringsItsTemplateWhenOthersTouchWhatPropagationWrote(t *testing.T) {
	binding := func(change ...func(*v1alpha1.ResourceBinding)) *v1alpha1.ResourceBinding {
		b := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-deployment", Generation: 1}, Spec: webSpec("web")}
		for _, f := range change {
			f(b)
			b.Generation++
		}
		return b
	}
	update := func(change func(*v1alpha1.ResourceBinding)) func(templateHandler, queueOf[Request]) {
		return func(h templateHandler, q queueOf[Request]) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: binding(), ObjectNew: binding(change)}, q)
		}
	}
	tests := map[string]struct {
		send func(templateHandler, queueOf[Request])
		want queued
	}{
		"in the first list": {
			func(h templateHandler, q queueOf[Request]) {
				h.Create(t.Context(), event.CreateEvent{Object: binding(), IsInInitialList: true}, q)
			}, queued{"shop/web": resyncPriority},
		},
		"deleted": {
			func(h templateHandler, q queueOf[Request]) {
				h.Delete(t.Context(), event.DeleteEvent{Object: binding()}, q)
			},
			queued{"shop/web": userPriority},
		},
		"placement changed":  {update(func(b *v1alpha1.ResourceBinding) { b.Spec.Placement = nil }), queued{"shop/web": userPriority}},
		"finalizer removed":  {update(func(b *v1alpha1.ResourceBinding) { b.Finalizers = []string{"x/y"} }), queued{"shop/web": userPriority}},
		"owner changed":      {update(func(b *v1alpha1.ResourceBinding) { b.OwnerReferences = []metav1.OwnerReference{{UID: "x"}} }), queued{"shop/web": userPriority}},
		"clusters written":   {update(func(b *v1alpha1.ResourceBinding) { b.Spec.Clusters = []v1alpha1.TargetCluster{{Name: "member1"}} }), nil},
		"eviction asked for": {update(func(b *v1alpha1.ResourceBinding) { b.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{{}} }), nil},
		"scheduling paused": {update(func(b *v1alpha1.ResourceBinding) {
			b.Spec.Suspension = &v1alpha1.BindingSuspension{Scheduling: ptr.To(true)}
		}), nil},
		"status written only": {update(func(b *v1alpha1.ResourceBinding) { b.Generation--; b.Status.SchedulerObservedGeneration = 1 }), nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, q := newBed(t, newTemplates()), templateQueue(t)
			tc.send(b.onBinding(), q)
			expectQueued(t, tc.want, q)
		})
	}
}

func TestANamespaceBringsItsBindingsWhenItsLabelChanges(t *testing.T) {
	binding := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-deployment"}, Spec: webSpec("web")}
	tests := map[string]struct {
		before, after client.Object
		want          queued
	}{
		"turned into a template namespace": {namespace("shop", nil), shop(), queued{"shop/web": policyPriority}},
		"another label":                    {shop(), namespace("shop", map[string]string{v1alpha1.TemplatesLabel: "enabled", "a": "b"}), nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, q := newBed(t, newTemplates(), binding.DeepCopy()), templateQueue(t)
			b.onNamespace().Update(t.Context(), event.UpdateEvent{ObjectOld: tc.before, ObjectNew: tc.after}, q)
			expectQueued(t, tc.want, q)
		})
	}
}

func TestExactlyTheKindsThatPoliciesAndBindingsNameAreWatched(t *testing.T) {
	kind := func(group, name string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: group, Version: "v1", Kind: name}
	}
	policy := webPolicy("web")
	foreign := selecting(kind("", "Service"), "")
	foreign.Namespace = "other"
	policy.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{
		selecting(deployment, "web"), selecting(kind("flotilla.dev", "Cluster"), ""), selecting(kind("", "Event"), ""), foreign,
		{APIVersion: "not/an/apiVersion", Kind: "Thing"},
	}
	global := &v1alpha1.ClusterPropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "all"},
		Spec:       v1alpha1.PropagationSpec{ResourceSelectors: []v1alpha1.ResourceSelector{selecting(configMap, "")}},
	}
	binding := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-statefulset"}, Spec: webSpec("gone")}
	binding.Spec.Resource.Kind = "StatefulSet"
	cache := newTemplates()
	for _, gvk := range []schema.GroupVersionKind{kind("apps", "StatefulSet"), kind("", "Secret")} { // one is needed still, one is not
		cache.Watch(gvk)
	}
	b := newBed(t, cache, policy, global, binding)
	k := &kindKeeper{client: b.host, templates: cache}
	if _, err := k.Reconcile(t.Context(), allKinds); err != nil {
		t.Fatal(err)
	}
	got := map[schema.GroupVersionKind]bool{}
	for _, gvk := range cache.Kinds() {
		got[gvk] = true
	}
	want := map[schema.GroupVersionKind]bool{deployment: true, configMap: true, kind("apps", "StatefulSet"): true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("watched kinds (-want +got):\n%s", diff)
	}
}

func TestABindingThatIsSeenHasItsKindWatched(t *testing.T) {
	cache := newTemplates()
	k := &kindKeeper{templates: cache}
	q := priorityqueue.New[ctrl.Request](t.Name())
	defer q.ShutDown()
	binding := &v1alpha1.ResourceBinding{Spec: webSpec("web")}
	k.onBinding().Create(t.Context(), event.CreateEvent{Object: binding, IsInInitialList: true}, q)
	if !cache.State(deployment).Watched {
		t.Error("the kind is not watched")
	}
}

func TestKindsAreLookedAtAgainWhenAPolicySelectsAnew(t *testing.T) {
	edited, replaced := webPolicy("web"), webPolicy("web")
	edited.Generation, replaced.UID = 2, "another"
	tests := map[string]struct {
		after *v1alpha1.PropagationPolicy
		want  int
	}{
		"because it was edited":                          {edited, 1},
		"because it was replaced while nobody could see": {replaced, 1},
		"and not because of its status":                  {webPolicy("web"), 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			q := priorityqueue.New[ctrl.Request](t.Name())
			defer q.ShutDown()
			(&kindKeeper{}).onPolicy().Update(t.Context(), event.UpdateEvent{ObjectOld: webPolicy("web"), ObjectNew: tc.after}, q)
			if got := q.Len(); got != tc.want {
				t.Errorf("%d requests, want %d", got, tc.want)
			}
		})
	}
}

func TestPoliciesAreCountedAgainWhenBindingsChangeHands(t *testing.T) {
	b := newBed(t, newTemplates())
	k := &policyKeeper{client: b.host, templates: b.templates}
	before := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: webSpec("old")}
	after := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Spec: webSpec("new")}
	scheduled := before.DeepCopy()
	scheduled.Generation, scheduled.Spec.Clusters = 2, []v1alpha1.TargetCluster{{Name: "member1"}}
	tests := map[string]struct {
		send func(handler.Funcs, queueOf[ctrl.Request])
		want []string
	}{
		"created": {func(h handler.Funcs, q queueOf[ctrl.Request]) {
			h.Create(t.Context(), event.CreateEvent{Object: before}, q)
		}, []string{"old"}},
		"deleted": {func(h handler.Funcs, q queueOf[ctrl.Request]) {
			h.Delete(t.Context(), event.DeleteEvent{Object: before}, q)
		}, []string{"old"}},
		"taken over": {func(h handler.Funcs, q queueOf[ctrl.Request]) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, q)
		}, []string{"old", "new"}},
		"only scheduled": {func(h handler.Funcs, q queueOf[ctrl.Request]) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: scheduled}, q)
		}, nil},
		"of the first one": {func(h handler.Funcs, q queueOf[ctrl.Request]) {
			h.Create(t.Context(), event.CreateEvent{Object: before, IsInInitialList: true}, q)
		}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			q := &delayedQueue{}
			tc.send(k.onBinding(), q)
			if diff := cmp.Diff(tc.want, q.delayed, cmpopts.SortSlices(func(a, b string) bool { return a < b }), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("counted again (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewsAboutAKindReachThePoliciesThatSelectIt(t *testing.T) {
	b := newBed(t, newTemplates(), webPolicy("web"))
	k := &policyKeeper{client: b.host, templates: b.templates}
	k.onState(deployment) // before the controller starts, nothing happens
	q := priorityqueue.New[ctrl.Request](t.Name())
	defer q.ShutDown()
	if err := k.listen(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	k.onState(deployment)
	k.onState(configMap)
	got := drain(q, func(r ctrl.Request) string { return r.String() })
	if diff := cmp.Diff(queued{"shop/web": 0}, got); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

// delayedQueue remembers what was added for later.
type delayedQueue struct {
	queueOf[ctrl.Request]
	delayed []string
}

func (q *delayedQueue) AddAfter(r ctrl.Request, after time.Duration) {
	if after == countDelay {
		q.delayed = append(q.delayed, r.Name)
	}
}
