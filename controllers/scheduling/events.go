package scheduling

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

const (
	// scheduleAction is what the scheduler was doing when an event happened.
	scheduleAction = "Schedule"
	// maxNote is the longest note of an event that the API takes.
	maxNote = 1024
)

// tellTurn sends a warning to the template, which is the object that the user knows, when its scheduling fails
// or fails for another reason than before. That all is well needs no event: the condition says it.
func (r *Reconciler) tellTurn(binding v1alpha1.Binding, before []metav1.Condition, d schedule.Decision) {
	old := meta.FindStatusCondition(before, v1alpha1.ConditionScheduled)
	if d.Scheduled() || old != nil && old.Status == metav1.ConditionFalse && old.Reason == d.Reason {
		return
	}
	r.events.Eventf(templateOf(binding), nil, corev1.EventTypeWarning, d.Reason, scheduleAction, "%s", truncate(d.Message, maxNote))
}

func templateOf(binding v1alpha1.Binding) *corev1.ObjectReference {
	template := binding.BindingSpec().Resource
	return &corev1.ObjectReference{
		APIVersion: template.APIVersion, Kind: template.Kind,
		Namespace: template.Namespace, Name: template.Name, UID: template.UID,
	}
}
