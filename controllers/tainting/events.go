package tainting

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

const (
	// action of events on Clusters.
	action = "Taint"
	// reasonUntainted: the cluster has no automatic taint any more.
	reasonUntainted = "Untainted"
)

// announce tells of a new reason of the condition Tainted, and of its end.
func (r *Reconciler) announce(cluster *v1alpha1.Cluster, before, after *metav1.Condition) {
	switch {
	case after == nil && before != nil:
		r.recorder.Eventf(cluster, nil, corev1.EventTypeNormal, reasonUntainted, action, "the cluster is Ready, its automatic taints are gone")
	case after != nil && (before == nil || before.Reason != after.Reason):
		kind := corev1.EventTypeWarning
		if after.Reason == v1alpha1.ReasonCleaningUp {
			kind = corev1.EventTypeNormal
		}
		r.recorder.Eventf(cluster, nil, kind, after.Reason, action, "%s", conditions.Shorten(after.Message, conditions.MaxNote))
	}
}
