package eviction

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/specchange"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// gathering is how long changes are gathered before they are one sweep.
const gathering = 50 * time.Millisecond

func wake(q queue) { q.AddAfter(sweep, gathering) }

// onCluster sweeps when a Cluster comes, goes, or changes in what evictions depend on.
func onCluster() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, _ event.CreateEvent, q queue) { wake(q) },
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queue) { wake(q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			old, ok := e.ObjectOld.(*v1alpha1.Cluster)
			now, isCluster := e.ObjectNew.(*v1alpha1.Cluster)
			if ok && isCluster && clusterMatters(old, now) {
				wake(q)
			}
		},
	}
}

// clusterMatters says whether a change of a Cluster may begin or end an eviction: most are about its capacity.
func clusterMatters(old, now *v1alpha1.Cluster) bool {
	ready := func(c *v1alpha1.Cluster) bool {
		return meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionReady)
	}
	return stampede.MemberOf(old, nil) != stampede.MemberOf(now, nil) || stampede.Answers(old) != stampede.Answers(now) || ready(old) != ready(now) ||
		(old.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) ||
		!equality.Semantic.DeepEqual(old.Spec.Taints, now.Spec.Taints) ||
		!equality.Semantic.DeepEqual(old.Status.TaintTimes, now.Status.TaintTimes)
}

// onBinding sweeps when a binding comes or changes in what evictions depend on. One that goes is forgotten, and leaves nothing to be
// written.
func (r *Reconciler) onBinding() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, _ event.CreateEvent, q queue) { wake(q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			old, ok := e.ObjectOld.(v1alpha1.Binding)
			now, isBinding := e.ObjectNew.(v1alpha1.Binding)
			if ok && isBinding && bindingMatters(old, now) {
				wake(q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ queue) {
			r.writes.Forget(client.ObjectKeyFromObject(e.Object))
		},
	}
}

// bindingMatters says whether a change of a binding may begin or end an eviction: most are about the numbers of replicas
// that members report.
func bindingMatters(old, now v1alpha1.Binding) bool {
	if specchange.Between(old, now) {
		return true
	}
	spec := now.BindingSpec()
	if len(spec.GracefulEvictionTasks) == 0 && (spec.Failover == nil || spec.Failover.Application == nil) {
		return false
	}
	before, after := old.BindingStatus().AggregatedStatus, now.BindingStatus().AggregatedStatus
	if len(before) != len(after) {
		return true
	}
	for i := range after {
		b, a := &before[i], &after[i]
		if b.ClusterName != a.ClusterName || b.Health != a.Health || !b.UnhealthySince.Equal(a.UnhealthySince) {
			return true
		}
	}
	return false
}
