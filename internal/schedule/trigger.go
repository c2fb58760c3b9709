package schedule

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Triggers of a decision: why a placement was not simply kept.
const (
	// TriggerNone: the old placement holds, and was kept.
	TriggerNone = ""
	// TriggerNew: the template has no placement yet.
	TriggerNew = "New"
	// TriggerRequest: somebody asked for a fresh decision.
	TriggerRequest = "RescheduleRequested"
	// TriggerPlacement: the placement was edited.
	TriggerPlacement = "PlacementChanged"
	// TriggerRequirements: what one replica needs has changed.
	TriggerRequirements = "RequirementsChanged"
	// TriggerClusterGone: a target cluster is gone or going.
	TriggerClusterGone = "ClusterGone"
	// TriggerEviction: an eviction task asks to leave a target cluster.
	TriggerEviction = "Eviction"
	// TriggerClusterUnfit: a target cluster no longer passes the filters.
	TriggerClusterUnfit = "ClusterUnfit"
	// TriggerLimit: a target cluster holds more than the descheduler or the placement's bounds allow.
	TriggerLimit = "LimitExceeded"
	// TriggerReplicas: the template asks for another number of replicas.
	TriggerReplicas = "ReplicasChanged"
	// TriggerPending: replicas are pending.
	TriggerPending = "Pending"
	// TriggerClusterNew: a cluster fits that the template should also be in.
	TriggerClusterNew = "ClusterNew"
	// TriggerFailback: clusters that the placement prefers could take the template for long enough.
	TriggerFailback = "Failback"
)

// trigger says why the old placement is not simply kept, in the group that it belongs to. Where several reasons hold it
// is the first of the list above. Divided replicas stay where they are unless there is one.
func (e *engine) trigger() string {
	spec, memory := e.in.Binding, &e.in.Memory
	switch {
	case len(spec.Clusters) == 0:
		return TriggerNew
	case e.fresh():
		return TriggerRequest
	case memory.Placement != e.placement.hash:
		return TriggerPlacement
	case memory.Requirements != e.requirements:
		return TriggerRequirements
	}
	if t := e.targetTrigger(); t != TriggerNone {
		return t
	}
	return e.replicaTrigger()
}

// fresh says whether somebody asked for a fresh decision since the last one.
func (e *engine) fresh() bool {
	request := e.in.Binding.RescheduleTriggeredAt
	return request != nil && !sameTime(request, e.in.Memory.Request)
}

// sameTime compares as the API keeps times: in seconds.
func sameTime(a, b *metav1.Time) bool {
	return a != nil && b != nil && a.Unix() == b.Unix()
}

// targetTrigger looks at the clusters of the old placement.
func (e *engine) targetTrigger() string {
	staying := 0
	for i := range e.sites {
		if e.sites[i].stays() {
			staying++
		}
	}
	if staying < len(e.in.Binding.Clusters) {
		return TriggerClusterGone
	}
	unfit, over := false, false
	for i := range e.sites {
		s := &e.sites[i]
		switch {
		case !s.target:
		case e.evicting[s.cluster.Name] != nil:
			return TriggerEviction
		case !s.fits:
			unfit = true
		case e.placement.strategy.divides() && s.was > s.ceiling:
			over = true
		}
	}
	switch {
	case unfit:
		return TriggerClusterUnfit
	case over:
		return TriggerLimit
	}
	return TriggerNone
}

// replicaTrigger compares the replicas of the old placement with those of the template.
func (e *engine) replicaTrigger() string {
	if e.in.Binding.Replicas == nil || e.placement.strategy == oneSet {
		return TriggerNone
	}
	wanted, sum := int64(*e.in.Binding.Replicas), int64(0)
	for i := range e.sites {
		sum += int64(e.sites[i].was)
		if e.placement.strategy == together && e.sites[i].target && int64(e.sites[i].was) != wanted {
			return TriggerReplicas
		}
	}
	switch {
	case !e.placement.strategy.divides() || sum == wanted:
		return TriggerNone
	case sum < wanted && e.in.Memory.Pending > 0 && sum+int64(e.in.Memory.Pending) == wanted:
		return TriggerPending
	default:
		return TriggerReplicas
	}
}
