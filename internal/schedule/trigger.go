package schedule

import (
	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Triggers of a decision: why a placement was not simply kept.
const (
	// TriggerNone: the old placement holds, and was kept.
	TriggerNone = ""
	// TriggerNew: the template has no placement yet.
	TriggerNew = "New"
	// TriggerPlacement: the placement was edited.
	TriggerPlacement = "PlacementChanged"
	// TriggerReplicas: the template asks for another number of replicas.
	TriggerReplicas = "ReplicasChanged"
	// TriggerRequirements: what one replica needs has changed.
	TriggerRequirements = "RequirementsChanged"
	// TriggerClusterGone: a target cluster is gone or going.
	TriggerClusterGone = "ClusterGone"
	// TriggerClusterUnfit: a target cluster no longer passes the filters.
	TriggerClusterUnfit = "ClusterUnfit"
	// TriggerClusterNew: a cluster fits that a duplicated template, or the placement's minimums, should also have.
	TriggerClusterNew = "ClusterNew"
	// TriggerEviction: an eviction task asks to leave a target cluster.
	TriggerEviction = "Eviction"
	// TriggerLimit: a target cluster holds more replicas than the descheduler found room for.
	TriggerLimit = "LimitExceeded"
	// TriggerPending: replicas are pending.
	TriggerPending = "Pending"
	// TriggerRequest: somebody asked for a fresh decision.
	TriggerRequest = "RescheduleRequested"
	// TriggerFailback: clusters that the placement prefers could take the template for long enough.
	TriggerFailback = "Failback"
)

// UsesRoom says whether a decision about a binding depends on Input.Room.
func UsesRoom(binding *v1alpha1.BindingSpec) bool {
	if binding.Replicas == nil || binding.Placement == nil || !divided(binding.Placement) {
		return len(binding.Components) > 1
	}
	r := binding.Placement.ReplicaScheduling
	return len(binding.Components) > 1 || r.ReplicaDivisionPreference == v1alpha1.Aggregated ||
		r.WeightPreference != nil && r.WeightPreference.DynamicWeight != ""
}
