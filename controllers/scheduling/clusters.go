package scheduling

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
)

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// onCluster looks at every binding again when a cluster comes, goes, or changes in a way that a decision can
// depend on. The clusters of the first list are no news: the bindings of the first list are looked at anyway.
func (r *Reconciler) onCluster() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				r.enqueueAll(ctx, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if matters(e.ObjectOld, e.ObjectNew) {
				r.enqueueAll(ctx, q)
			}
		},
		DeleteFunc: func(ctx context.Context, _ event.DeleteEvent, q queue) { r.enqueueAll(ctx, q) },
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
		(old.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) ||
		!same(old.Status.APIEnablements, now.Status.APIEnablements)
}

func (r *Reconciler) enqueueAll(ctx context.Context, q queue) {
	bindings, err := hostindex.AllBindings(ctx, r.client)
	if err != nil { // the cache is closing
		log.FromContext(ctx).Error(err, "Cannot look at the bindings again after a change of a cluster")
		return
	}
	requests := make([]ctrl.Request, len(bindings))
	for i, binding := range bindings {
		requests[i] = ctrl.Request{NamespacedName: client.ObjectKeyFromObject(binding)}
	}
	if prioritized, ok := q.(priorityqueue.PriorityQueue[ctrl.Request]); ok {
		low := handler.LowPriority
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: &low}, requests...)
		return
	}
	for _, request := range requests {
		q.Add(request)
	}
}
