package scheduling

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// editWindow is how long edits of a template that is placed, and of its policy, are gathered before they are one
// decision. A new template is placed at once.
const editWindow = 100 * time.Millisecond

// onBinding looks at a binding when what it asks for has changed, and notes what members report.
func (r *Reconciler) onBinding() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			binding, ok := e.Object.(v1alpha1.Binding)
			if !ok {
				return
			}
			r.observe(binding, e.IsInInitialList)
			why := byUser
			if e.IsInInitialList && !undecided(binding) {
				why = byResync
			}
			r.enqueue(q, client.ObjectKeyFromObject(binding), priorityOf(binding), why, 0)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			old, ok := e.ObjectOld.(v1alpha1.Binding)
			binding, isBinding := e.ObjectNew.(v1alpha1.Binding)
			if ok && isBinding {
				r.updated(ctx, old, binding, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			if binding, ok := e.Object.(v1alpha1.Binding); ok {
				r.forget(client.ObjectKeyFromObject(binding))
				r.wakeGroups(ctx, binding, q)
			}
		},
	}
}

// undecided says whether no leader has come to a decision about a binding as it is.
func undecided(binding v1alpha1.Binding) bool {
	return ours(binding) && binding.BindingStatus().SchedulerObservedGeneration != binding.GetGeneration()
}

func (r *Reconciler) updated(ctx context.Context, old, binding v1alpha1.Binding, q queue) {
	key := client.ObjectKeyFromObject(binding)
	if r.writes.Own(key, binding.GetResourceVersion()) {
		r.arrived(key)
	}
	r.observe(binding, false)
	if !specchange.Between(old, binding) {
		if progressed(old, binding) {
			r.enqueue(q, key, priorityOf(binding), byUser, 0)
		}
		return // otherwise a status says nothing that a decision depends on
	}
	if !equality.Semantic.DeepEqual(old.BindingSpec().Clusters, binding.BindingSpec().Clusters) {
		r.wakeGroups(ctx, binding, q)
	}
	if r.writes.OwnOf(key, binding.GetResourceVersion(), binding.GetGeneration()) {
		return // the decision itself is no news
	}
	after := editWindow
	if len(binding.BindingSpec().Clusters) == 0 {
		after = 0
	}
	r.enqueue(q, key, priorityOf(binding), byUser, after)
}

// wakeGroups looks at bindings that wait, when a template of one of their groups has moved.
func (r *Reconciler) wakeGroups(ctx context.Context, binding v1alpha1.Binding, q queue) {
	groups := binding.BindingSpec().WorkloadAffinityGroups
	if groups == nil {
		return
	}
	for index, group := range map[hostindex.Index]string{hostindex.ByAffinityGroup: groups.AffinityGroup, hostindex.ByAntiAffinityGroup: groups.AntiAffinityGroup} {
		if group == "" {
			continue
		}
		others, err := hostindex.Bindings(ctx, r.client, index, hostindex.GroupValue(binding.GetNamespace(), group))
		if err != nil { // the cache is closing
			log.FromContext(ctx).Error(err, "Cannot look at the other templates of a group", "group", group)
			return
		}
		for _, other := range others {
			if key := client.ObjectKeyFromObject(other); key != client.ObjectKeyFromObject(binding) {
				r.enqueue(q, key, priorityOf(other), byResync, 0)
			}
		}
	}
}

// priorityOf is the value of a binding's PriorityClass.
func priorityOf(binding v1alpha1.Binding) int32 {
	if p := binding.BindingSpec().SchedulePriority; p != nil {
		return p.Priority
	}
	return 0
}

// onCluster looks at every binding again when a cluster comes, goes, or changes in a way that a decision can depend
// on: any of them may like it, and a look that changes nothing takes microseconds. Those that wait come first. The
// clusters of the first list are no news: the bindings of the first list are looked at anyway.
func (r *Reconciler) onCluster() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				r.enqueueAll(ctx, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			switch {
			case matters(e.ObjectOld, e.ObjectNew):
				r.enqueueAll(ctx, q)
			case turned(e.ObjectOld, e.ObjectNew):
				r.wakeMoving(ctx, q, e.ObjectNew.GetName())
			case otherSummary(e.ObjectOld, e.ObjectNew):
				r.wake(ctx, q, e.ObjectNew.GetName())
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			r.forgetCluster(e.Object.GetName())
			r.enqueueAll(ctx, q)
		},
	}
}

// matters says whether a decision can depend on what changed in a Cluster.
func matters(before, after client.Object) bool {
	old, ok := before.(*v1alpha1.Cluster)
	if !ok {
		return true
	}
	now, ok := after.(*v1alpha1.Cluster)
	if !ok {
		return true
	}
	same := equality.Semantic.DeepEqual
	return !same(old.Labels, now.Labels) ||
		!same(old.Spec.Taints, now.Spec.Taints) ||
		!same(old.Spec.Zones, now.Spec.Zones) ||
		old.Spec.Provider != now.Spec.Provider ||
		old.Spec.Region != now.Spec.Region ||
		old.Spec.SyncMode != now.Spec.SyncMode ||
		old.Spec.Capacity != now.Spec.Capacity ||
		old.Annotations[v1alpha1.ForceDeleteAnnotation] != now.Annotations[v1alpha1.ForceDeleteAnnotation] ||
		(old.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) ||
		!same(old.Status.APIEnablements, now.Status.APIEnablements)
}

// turned says whether a member has become ready, or is no longer.
func turned(before, after client.Object) bool {
	old, ok := before.(*v1alpha1.Cluster)
	now, isCluster := after.(*v1alpha1.Cluster)
	return ok && isCluster && meta.IsStatusConditionTrue(old.Status.Conditions, v1alpha1.ConditionReady) !=
		meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionReady)
}

// otherSummary says whether a Cluster's room, as its summary tells it, has changed.
func otherSummary(before, after client.Object) bool {
	old, ok := before.(*v1alpha1.Cluster)
	now, isCluster := after.(*v1alpha1.Cluster)
	return ok && isCluster && (!equality.Semantic.DeepEqual(old.Status.ResourceSummary, now.Status.ResourceSummary) ||
		!equality.Semantic.DeepEqual(old.Spec.ResourceModels, now.Spec.ResourceModels))
}

func (r *Reconciler) enqueueAll(ctx context.Context, q queue) {
	bindings, err := hostindex.AllBindings(ctx, r.client)
	if err != nil { // the cache is closing
		log.FromContext(ctx).Error(err, "Cannot look at the bindings again after a change of a cluster")
		return
	}
	waits := map[types.NamespacedName]bool{}
	for _, key := range r.waiting.all() {
		waits[key] = true
	}
	for _, binding := range bindings {
		key, why := client.ObjectKeyFromObject(binding), byResync
		if waits[key] || len(binding.BindingSpec().Clusters) == 0 {
			why = byUser
		}
		r.enqueue(q, key, priorityOf(binding), why, 0)
	}
}

// rooms tells of clusters that have more room than before, because their members say so or because bookings ended, once
// the queue is there.
func (r *Reconciler) rooms() source.Source {
	var begun atomic.Pointer[func(cluster string)]
	r.members.OnRoom(func(cluster string) {
		if wake := begun.Load(); wake != nil {
			(*wake)(cluster)
		}
	})
	return source.Func(func(ctx context.Context, q queue) error {
		wake := func(cluster string) { r.wake(ctx, q, cluster) }
		begun.Store(&wake)
		go r.ledger.freed.run(ctx, clock.RealClock{}, wake)
		return nil
	})
}

// wake looks at the bindings that wait and that room in a cluster helps now.
func (r *Reconciler) wake(ctx context.Context, q queue, cluster string) {
	var found v1alpha1.Cluster
	if err := r.client.Get(ctx, client.ObjectKey{Name: cluster}, &found); err != nil {
		return // it is gone, or the cache is closing
	}
	r.deciding.Lock()
	table, bounded := r.table(&found)
	r.deciding.Unlock()
	helped := r.waiting.helped(cluster, func(class *capacity.Class) int32 {
		if !bounded {
			return maxRoom
		}
		replicas, _ := r.ledger.room(cluster, table, class, r.clock.Now())
		return replicas
	})
	r.enqueueInTurn(q, helped)
}

// headStart is how much earlier the bindings of the highest priority are looked at than others that the same room
// helps. Workers that take two bindings at the same time must not decide about the second one first, also when the write of the first
// is refused once as outdated and repeated (ownwrites.Retry later).
const headStart = 5 * ownwrites.Retry

// enqueueInTurn queues bindings that wait, which are in the order of their turns.
func (r *Reconciler) enqueueInTurn(q queue, waiters []waiter) {
	for _, w := range waiters {
		after := headStart
		if w.priority == waiters[0].priority {
			after = 0
		}
		r.enqueue(q, w.binding, w.priority, byUser, after)
	}
}

// forgetCluster drops what is kept in memory of a member that is gone.
func (r *Reconciler) forgetCluster(cluster string) {
	r.ledger.forgetCluster(cluster)
	r.deciding.Lock()
	defer r.deciding.Unlock()
	delete(r.guesses, cluster)
}

// forget drops what is kept in memory of a binding that is gone.
func (r *Reconciler) forget(key types.NamespacedName) {
	r.writes.Forget(key)
	r.moves.forget(key)
	r.ledger.forget(key)
	r.waiting.drop(key)
	r.moving.set(key, false)
	r.arrived(key)
}
