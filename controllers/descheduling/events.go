package descheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

const (
	// descheduledReason is the reason of the event that says that a cluster may hold fewer replicas.
	descheduledReason = "Descheduled"
	// descheduleAction is what the descheduler was doing when an event happened.
	descheduleAction = "Deschedule"
)

// tell warns, on the template, which is the object that the user knows, of limits that are new or lower than before.
func (r *Reconciler) tell(binding v1alpha1.Binding, before, after []v1alpha1.ReplicaLimit) {
	old := make(map[string]int32, len(before))
	for _, limit := range before {
		old[limit.Cluster] = limit.MaxReplicas
	}
	for _, limit := range after {
		if most, limited := old[limit.Cluster]; limited && most <= limit.MaxReplicas {
			continue
		}
		note := fmt.Sprintf("%s holds at most %d replicas for now: %s", limit.Cluster, limit.MaxReplicas, limit.Message)
		r.events.Eventf(binding.BindingSpec().Resource.Core(), nil, corev1.EventTypeWarning, descheduledReason, descheduleAction,
			"%s", conditions.Shorten(note, conditions.MaxNote))
	}
}
