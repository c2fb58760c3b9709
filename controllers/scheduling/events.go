package scheduling

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

// scheduleAction is what the scheduler was doing when an event happened.
const scheduleAction = "Schedule"

// tellTurn sends a warning to the template, which is the object that the user knows, when its scheduling fails
// or fails for another reason than before. That all is well needs no event: the condition says it.
func (r *Reconciler) tellTurn(binding v1alpha1.Binding, before []metav1.Condition, now metav1.Condition) {
	if conditions.TurnedBad(before, now) {
		r.events.Eventf(binding.BindingSpec().Resource.Core(), nil, corev1.EventTypeWarning, now.Reason, scheduleAction,
			"%s", conditions.Shorten(now.Message, conditions.MaxNote))
	}
}
