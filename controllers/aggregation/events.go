package aggregation

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const (
	// applyAction is what Flotilla was doing when an event happened.
	applyAction = "Apply"
	// maxNote is the longest note of an event that the API takes.
	maxNote = 1024
)

// tellTurn sends a warning to the template, which is the object that the user knows, when it cannot be applied,
// or cannot for another reason than before. binding still has the status from before.
func (r *Reconciler) tellTurn(binding v1alpha1.Binding, after []metav1.Condition) {
	old := meta.FindStatusCondition(binding.BindingStatus().Conditions, v1alpha1.ConditionApplied)
	now := meta.FindStatusCondition(after, v1alpha1.ConditionApplied)
	if now == nil || now.Status != metav1.ConditionFalse || transient(now.Reason) || now.Reason == v1alpha1.ReasonNotScheduled {
		return
	}
	if old != nil && old.Status == now.Status && old.Reason == now.Reason {
		return
	}
	r.events.Eventf(templateOf(binding), nil, corev1.EventTypeWarning, now.Reason, applyAction, "%s", truncate(now.Message, maxNote))
}

func templateOf(binding v1alpha1.Binding) *corev1.ObjectReference {
	template := binding.BindingSpec().Resource
	return &corev1.ObjectReference{
		APIVersion: template.APIVersion, Kind: template.Kind,
		Namespace: template.Namespace, Name: template.Name, UID: template.UID,
	}
}
