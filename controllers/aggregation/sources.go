package aggregation

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// feed hands the bindings that the board has news about to the controller, a moment later, so that one look
// serves a burst of news. What is reported before the controller starts is kept for it.
type feed struct {
	settle time.Duration

	mu      sync.Mutex
	queue   queue
	waiting []types.NamespacedName
}

func (f *feed) begin(_ context.Context, q queue) error {
	f.mu.Lock()
	waiting := f.waiting
	f.queue, f.waiting = q, nil
	f.mu.Unlock()
	for _, binding := range waiting {
		f.enqueue(binding)
	}
	return nil
}

func (f *feed) enqueue(binding types.NamespacedName) {
	f.mu.Lock()
	q := f.queue
	if q == nil {
		f.waiting = append(f.waiting, binding)
	}
	f.mu.Unlock()
	if q != nil {
		q.AddAfter(ctrl.Request{NamespacedName: binding}, f.settle)
	}
}

// onBinding looks at a binding a moment after its decision changed, when members have had time to follow.
func (r *Reconciler) onBinding() handler.EventHandler {
	later := func(obj client.Object, q queue) {
		q.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(obj)}, r.Pace.Settle)
	}
	return handler.Funcs{
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { later(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { later(e.Object, q) },
	}
}

// decisionChanges lets changes of specs pass: a status says nothing that an aggregation depends on.
func decisionChanges() predicate.Predicate {
	return specchange.Predicate()
}

// onCluster looks at every binding of a cluster that became ready or ceased to be, or that left.
func (r *Reconciler) onCluster() handler.EventHandler {
	all := func(ctx context.Context, cluster string, q queue) {
		bindings, err := hostindex.Bindings(ctx, r.client, hostindex.ByCluster, cluster)
		if err != nil {
			log.FromContext(ctx).Error(err, "Cannot find the bindings of a cluster", "cluster", cluster)
			return
		}
		for _, binding := range bindings {
			q.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(binding)}, r.Pace.Settle)
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { all(ctx, e.ObjectNew.GetName(), q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { all(ctx, e.Object.GetName(), q) },
	}
}

func readinessChanges() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool { return ready(e.ObjectOld) != ready(e.ObjectNew) },
	}
}

// ready says whether a member answers, so that what it reports can be relied on.
func ready(obj client.Object) bool {
	cluster, isCluster := obj.(*v1alpha1.Cluster)
	return isCluster && meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionReady)
}
