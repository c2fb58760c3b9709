package scheduling

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// scheduleAction is what the scheduler was doing when an event happened.
const scheduleAction = "Schedule"

// tellMove tells the template's user that replicas move although the template was not edited.
func (r *Reconciler) tellMove(binding v1alpha1.Binding, d schedule.Decision, changes map[string]change) {
	switch d.Trigger {
	case schedule.TriggerNone, schedule.TriggerNew, schedule.TriggerReplicas, schedule.TriggerPending:
		return
	}
	words := make([]string, 0, len(changes))
	for _, cluster := range slices.Sorted(maps.Keys(changes)) {
		words = append(words, fmt.Sprintf("%s %+d", cluster, changes[cluster].more))
	}
	r.events.Eventf(binding.BindingSpec().Resource.Core(), v1alpha1.EventReference(binding), corev1.EventTypeNormal, v1alpha1.ReasonRescheduled, scheduleAction,
		"%s", conditions.Shorten(d.Trigger+": "+strings.Join(words, ", "), conditions.MaxNote))
}

// tellTurn sends a warning to the template, which is the object that the user knows, when its scheduling fails
// or fails for another reason than before. That all is well needs no event: the condition says it.
func (r *Reconciler) tellTurn(binding v1alpha1.Binding, before []metav1.Condition, now metav1.Condition) {
	if conditions.TurnedBad(before, now) {
		r.events.Eventf(binding.BindingSpec().Resource.Core(), v1alpha1.EventReference(binding), corev1.EventTypeWarning, now.Reason, scheduleAction,
			"%s", conditions.Shorten(now.Message, conditions.MaxNote))
	}
}
