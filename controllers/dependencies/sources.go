package dependencies

import (
	"context"
	"slices"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// Priorities. What somebody changed just now does not wait for the first look at everything after a restart.
const (
	userPriority   = 0
	resyncPriority = handler.LowPriority
)

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

func enqueue(q queue, priority int, owners ...types.NamespacedName) {
	requests := make([]ctrl.Request, len(owners))
	for i, owner := range owners {
		requests[i].NamespacedName = owner
	}
	if prioritized, ok := q.(priorityqueue.PriorityQueue[ctrl.Request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
		return
	}
	for _, r := range requests {
		q.Add(r)
	}
}

// onBinding looks at an owner when it, or where it still is, has changed; and at the owners that a binding names when it is seen at
// first, or goes, and when their entries change, whoever wrote them: an owner may have gone while no manager ran, and may have
// changed its mind before its own entry was seen.
func (r *Reconciler) onBinding() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			binding, ok := e.Object.(v1alpha1.Binding)
			if !ok {
				return
			}
			priority := userPriority
			if e.IsInInitialList {
				priority = resyncPriority
			}
			enqueue(q, priority, ownersOf(binding)...)
			if isOwner(binding) || len(binding.BindingSpec().PreservedIn) > 0 {
				enqueue(q, priority, client.ObjectKeyFromObject(binding))
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			before, ok := e.ObjectOld.(v1alpha1.Binding)
			after, isBinding := e.ObjectNew.(v1alpha1.Binding)
			if ok && isBinding {
				r.updated(before, after, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			binding, ok := e.Object.(v1alpha1.Binding)
			if !ok {
				return
			}
			r.writes.Forget(client.ObjectKeyFromObject(binding))
			enqueue(q, userPriority, ownersOf(binding)...)
			if isOwner(binding) {
				enqueue(q, userPriority, client.ObjectKeyFromObject(binding))
			}
		},
	}
}

// onCluster looks at what is preserved in a cluster when that is about to leave the fleet, or is gone.
func (r *Reconciler) onCluster() handler.Funcs {
	preserved := func(ctx context.Context, cluster string, q queue) {
		bindings, err := hostindex.Bindings(ctx, r.client, hostindex.ByCluster, cluster)
		if err != nil {
			return // the cache is closing
		}
		for _, binding := range bindings {
			if slices.Contains(binding.BindingSpec().PreservedIn, cluster) {
				enqueue(q, resyncPriority, client.ObjectKeyFromObject(binding))
			}
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.GetDeletionTimestamp() == nil && e.ObjectNew.GetDeletionTimestamp() != nil {
				preserved(ctx, e.ObjectNew.GetName(), q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { preserved(ctx, e.Object.GetName(), q) },
	}
}

func (r *Reconciler) updated(before, after v1alpha1.Binding, q queue) {
	key := client.ObjectKeyFromObject(after)
	changed := specchange.Between(before, after)
	left := after.GetDeletionTimestamp() == nil && !slices.Equal(holders(before), holders(after))
	if (isOwner(before) || isOwner(after)) && (changed || left) {
		enqueue(q, userPriority, key)
	}
	if changed {
		enqueue(q, userPriority, concerned(before.BindingSpec().RequiredBy, after.BindingSpec().RequiredBy)...)
	}
}

// holders are the clusters that hold something of a binding's, in order.
func holders(binding v1alpha1.Binding) []string {
	items := binding.BindingStatus().AggregatedStatus
	names := make([]string, len(items))
	for i := range items {
		names[i] = items[i].ClusterName
	}
	return names
}

// concerned are the owners whose entries differ.
func concerned(before, after []v1alpha1.BindingSnapshot) []types.NamespacedName {
	entries := make(map[types.NamespacedName]*v1alpha1.BindingSnapshot, len(before))
	for i := range before {
		entries[ownerOf(before[i])] = &before[i]
	}
	var owners []types.NamespacedName
	for i := range after {
		owner := ownerOf(after[i])
		if old, known := entries[owner]; !known || !sameEntry(*old, after[i]) {
			owners = append(owners, owner)
		}
		delete(entries, owner)
	}
	for owner := range entries { // that are not there any more
		owners = append(owners, owner)
	}
	return owners
}

func sameEntry(a, b v1alpha1.BindingSnapshot) bool {
	return a.ConflictResolution == b.ConflictResolution && a.PreserveResourcesOnDeletion == b.PreserveResourcesOnDeletion &&
		slices.EqualFunc(a.Clusters, b.Clusters, func(x, y v1alpha1.TargetCluster) bool { return x.Name == y.Name })
}

// ownersOf are the bindings whose templates require a binding's.
func ownersOf(binding v1alpha1.Binding) []types.NamespacedName {
	required := binding.BindingSpec().RequiredBy
	owners := make([]types.NamespacedName, len(required))
	for i := range required {
		owners[i] = ownerOf(required[i])
	}
	return owners
}

func ownerOf(entry v1alpha1.BindingSnapshot) types.NamespacedName {
	return types.NamespacedName{Namespace: entry.Namespace, Name: entry.Name}
}

// feed brings the owners that objects on the host matter to, once the controller has a queue. Every owner is looked at when
// it starts.
type feed struct {
	reconciler *Reconciler
	event      atomic.Pointer[func(objectcache.Event)]
	state      atomic.Pointer[func(schema.GroupVersionKind)]
}

func (f *feed) begin(ctx context.Context, q queue) error {
	event := func(e objectcache.Event) { f.reconciler.objectChanged(ctx, e, q) }
	state := func(gvk schema.GroupVersionKind) { f.reconciler.kindChanged(ctx, gvk, q) }
	f.event.Store(&event)
	f.state.Store(&state)
	return nil
}

func (f *feed) onEvent(e objectcache.Event) {
	if tell := f.event.Load(); tell != nil {
		(*tell)(e)
	}
}

func (f *feed) onState(gvk schema.GroupVersionKind) {
	if tell := f.state.Load(); tell != nil {
		(*tell)(gvk)
	}
}

// objectChanged brings an owner whose template has changed, those that look for the object, and those that it went along
// with so far.
func (r *Reconciler) objectChanged(ctx context.Context, e objectcache.Event, q queue) {
	obj, ok := e.Object.(*unstructured.Unstructured)
	if !ok || e.Initial || obj.GetNamespace() == "" {
		return // the end of a first list brings all that look for the kind
	}
	enqueue(q, userPriority, r.interests.in(e.GVK, obj)...)
	binding, err := hostindex.Binding(ctx, r.client, bindingKey(e.GVK, obj.GetNamespace(), obj.GetName()))
	if err != nil {
		return // it is not propagated
	}
	if isOwner(binding) {
		enqueue(q, userPriority, client.ObjectKeyFromObject(binding))
	}
	if !e.Deleted { // else the binding's end brings them
		enqueue(q, userPriority, ownersOf(binding)...)
	}
}

// kindChanged brings the owners that look for a kind, or whose templates are of it, when what is known of it has changed.
func (r *Reconciler) kindChanged(ctx context.Context, gvk schema.GroupVersionKind, q queue) {
	enqueue(q, resyncPriority, r.interests.of(gvk)...)
	bindings, err := hostindex.Bindings(ctx, r.client, hostindex.ByKind, hostindex.KindValue(gvk))
	if err != nil {
		return // the cache is closing
	}
	for _, binding := range bindings {
		if isOwner(binding) {
			enqueue(q, resyncPriority, client.ObjectKeyFromObject(binding))
		}
	}
}
