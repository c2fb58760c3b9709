package cluster

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

// Actions of events on Clusters: what the manager did when it had something to say.
const (
	actionProbe  = "Probe"
	actionRenew  = "RenewToken"
	actionRemove = "Remove"
)

// Reasons of events on Clusters that are not reasons of conditions.
const (
	// reasonTokenNotRenewed: the member did not issue a new token; the old one still works for a while.
	reasonTokenNotRenewed = "TokenNotRenewed"
	// reasonLeftBehind: the Cluster goes although something of Flotilla stays in the member.
	reasonLeftBehind = "LeftBehind"
)

// announce tells of a transition of the condition Ready, or of its reason while it is not True.
func (r *Reconciler) announce(cluster *v1alpha1.Cluster, before, after *metav1.Condition) {
	if after == nil || before != nil && before.Status == after.Status && before.Reason == after.Reason {
		return
	}
	eventType := corev1.EventTypeWarning
	if after.Status == metav1.ConditionTrue || after.Reason == v1alpha1.ReasonRemoving {
		eventType = corev1.EventTypeNormal
	}
	r.event(cluster, eventType, after.Reason, actionProbe, after.Message)
}

func (r *Reconciler) event(cluster *v1alpha1.Cluster, eventType, reason, action, note string) {
	r.recorder.Eventf(cluster, nil, eventType, reason, action, "%s", conditions.Shorten(note, conditions.MaxNote))
}
