package execution

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// doubted hands a binding to the member that is to be asked about it. Where the member is not connected, all that concerns it is looked
// at when it is.
func (d *dispatcher) doubted(key types.NamespacedName, cluster string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if w := d.workers[cluster]; w != nil {
		w.enqueue(userPriority, key)
	}
}

// hearAndKeep asks the member itself first, where what its watch shows is doubted: a watch that was cut off shows what was, and nothing
// tells when it has caught up. What is posted afterwards is not older than the answer.
func (w *worker) hearAndKeep(ctx context.Context, binding v1alpha1.Binding) (reconcile.Result, error) {
	key := client.ObjectKeyFromObject(binding)
	unheard := w.Board.Doubted(key, w.member.Name)
	if unheard {
		begun, resource := w.clock.Now(), binding.BindingSpec().Resource
		observed, err := w.member.Refresh(ctx, resource.GroupVersionKind(), resource.Key())
		if unheard = err != nil && !meta.IsNoMatchError(err); unheard {
			log.FromContext(ctx).V(1).Info("Cannot ask the member how an object is", "error", err.Error())
		} else {
			w.Board.Hear(key, w.member.Name, report.Hearing{At: begun, Health: healthOf(observed, key)})
		}
	}
	result, err := w.keep(ctx, binding)
	if err == nil && unheard && (result.RequeueAfter == 0 || result.RequeueAfter > recheckUnreachable) {
		result.RequeueAfter = recheckUnreachable
	}
	return result, err
}

// healthOf is the health of a binding's object; unknown when there is none.
func healthOf(observed *membercluster.Observed, binding types.NamespacedName) v1alpha1.Health {
	if observed == nil || !observed.Live.Ours || observed.Live.Binding != binding.String() {
		return v1alpha1.HealthUnknown
	}
	return observed.Health
}
