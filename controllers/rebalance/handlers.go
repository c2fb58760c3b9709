package rebalance

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// answerDelay gathers the scheduler's answers to a large request into few writes of its status.
const answerDelay = 250 * time.Millisecond

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// onBinding looks again at the requests that are under way when the scheduler decided about a binding, or will not.
// Which of them concern it is found out then: there are few.
func (r *Reconciler) onBinding() handler.Funcs {
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, ok := e.ObjectOld.(v1alpha1.Binding)
			if !ok {
				return
			}
			if after, ok := e.ObjectNew.(v1alpha1.Binding); ok && answered(before, after) {
				r.wakeUp(ctx, q)
			}
		},
		DeleteFunc: func(ctx context.Context, _ event.DeleteEvent, q queue) { r.wakeUp(ctx, q) },
	}
}

// answered says whether something changed that judge looks at.
func answered(before, after v1alpha1.Binding) bool {
	return before.GetAnnotations()[v1alpha1.DecisionAnnotation] != after.GetAnnotations()[v1alpha1.DecisionAnnotation] ||
		(before.GetDeletionTimestamp() == nil) != (after.GetDeletionTimestamp() == nil) ||
		suspended(before) != suspended(after)
}

func suspended(b v1alpha1.Binding) bool {
	suspension := b.BindingSpec().Suspension
	return suspension != nil && ptr.Deref(suspension.Scheduling, false)
}

func (r *Reconciler) wakeUp(ctx context.Context, q queue) {
	var list v1alpha1.WorkloadRebalancerList
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil { // the cache is closing
		log.FromContext(ctx).Error(err, "Cannot look again at the workload rebalancers that are under way")
		return
	}
	for i := range list.Items {
		if status := &list.Items[i].Status; status.StartTime != nil && status.FinishTime == nil {
			q.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])}, answerDelay)
		}
	}
}
