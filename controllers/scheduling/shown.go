package scheduling

import (
	"encoding/json"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// observe compares what was decided for a binding with what the members report, so that room which they show
// themselves is no longer booked. first is true for bindings that were decided before this manager began.
func (r *Reconciler) observe(binding v1alpha1.Binding, first bool) {
	spec := binding.BindingSpec()
	if len(spec.Clusters) == 0 || !schedule.UsesRoom(spec) {
		return
	}
	key, now := client.ObjectKeyFromObject(binding), r.clock.Now()
	r.deciding.Lock()
	defer r.deciding.Unlock()
	if _, onTheWay := r.onTheWay[key]; onTheWay {
		return // this is the binding before the last decision
	}
	var c claim
	if first {
		c = claimOf(binding)
	}
	reports := make(map[string]*v1alpha1.AggregatedStatusItem, len(spec.Clusters))
	for i, item := range binding.BindingStatus().AggregatedStatus {
		reports[item.ClusterName] = &binding.BindingStatus().AggregatedStatus[i]
	}
	for _, target := range spec.Clusters {
		decided := ptr.Deref(target.Replicas, 0)
		unshown := max(decided-shownBy(reports[target.Name]), 0)
		if first && unshown > 0 {
			r.ledger.begin(c, target.Name, unshown, decided, now)
		} else {
			r.ledger.reported(key, target.Name, unshown)
		}
	}
}

// claimOf is who takes room for a binding's replicas.
func claimOf(binding v1alpha1.Binding) claim {
	spec := binding.BindingSpec()
	return claim{
		binding: client.ObjectKeyFromObject(binding), class: capacity.Compile(spec.ReplicaRequirements),
		workload: capacity.WorkloadKey(spec.Resource.Namespace, spec.Resource.Kind, spec.Resource.Name),
	}
}

// shownBy is how many replicas a member's report accounts for. A kind that counts its replicas otherwise stays booked
// until the booking's time is over. (That it is healthy says nothing: the report may be older than the decision.)
func shownBy(report *v1alpha1.AggregatedStatusItem) int32 {
	if report == nil || report.Status == nil {
		return 0
	}
	var counts struct{ Replicas, Active, Succeeded, Failed int32 } // workloads, and Jobs
	if err := json.Unmarshal(report.Status.Raw, &counts); err != nil {
		return 0
	}
	return max(counts.Replicas, counts.Active+counts.Succeeded+counts.Failed)
}
