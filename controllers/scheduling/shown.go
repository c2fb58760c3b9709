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
// themselves is no longer booked. A member's report takes longer to get here than its pods do, so these are in its table by then.
// first is true for bindings that were decided before this manager began.
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
	class := capacity.Compile(spec.ReplicaRequirements)
	reports := make(map[string]*v1alpha1.AggregatedStatusItem, len(spec.Clusters))
	for i, item := range binding.BindingStatus().AggregatedStatus {
		reports[item.ClusterName] = &binding.BindingStatus().AggregatedStatus[i]
	}
	for _, target := range spec.Clusters {
		decided := ptr.Deref(target.Replicas, 0)
		shown := min(shownBy(reports[target.Name], decided), decided)
		r.ledger.unshown(key, target.Name, class, decided-shown, first, now)
	}
}

// shownBy is how many of a cluster's replicas the member's report accounts for.
func shownBy(report *v1alpha1.AggregatedStatusItem, decided int32) int32 {
	if report == nil || !report.Applied {
		return 0
	}
	if report.Health == v1alpha1.Healthy {
		return decided
	}
	if report.Status == nil {
		return 0
	}
	var counts struct{ Replicas, Active, Succeeded, Failed int32 } // workloads, and Jobs
	if err := json.Unmarshal(report.Status.Raw, &counts); err != nil {
		return 0 // a kind with a status of its own: it is shown when it is healthy, or the booking ends
	}
	return max(counts.Replicas, counts.Active+counts.Succeeded+counts.Failed)
}
