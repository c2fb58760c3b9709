package aggregation

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

// applyAction is what Flotilla was doing when an event happened.
const applyAction = "Apply"

// tellTurn sends a warning to the template, which is the object that the user knows, when it cannot be applied,
// or cannot for another reason than before. binding still has the status from before.
func (r *Reconciler) tellTurn(binding v1alpha1.Binding, after []metav1.Condition) {
	now := meta.FindStatusCondition(after, v1alpha1.ConditionApplied)
	if now == nil || transient(now.Reason) || now.Reason == v1alpha1.ReasonNotScheduled ||
		!conditions.TurnedBad(binding.BindingStatus().Conditions, *now) {
		return
	}
	r.events.Eventf(binding.BindingSpec().Resource.Core(), v1alpha1.EventReference(binding), corev1.EventTypeWarning, now.Reason, applyAction,
		"%s", conditions.Shorten(now.Message, conditions.MaxNote))
}
