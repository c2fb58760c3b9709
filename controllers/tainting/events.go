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
	if !r.isNews(cluster.Name, before, after) {
		return
	}
	switch {
	case after == nil:
		r.recorder.Eventf(cluster, nil, corev1.EventTypeNormal, reasonUntainted, action, "the cluster is Ready, its automatic taints are gone")
	default:
		kind := corev1.EventTypeWarning
		if after.Reason == v1alpha1.ReasonCleaningUp {
			kind = corev1.EventTypeNormal
		}
		r.recorder.Eventf(cluster, nil, kind, after.Reason, action, "%s", conditions.Shorten(after.Message, conditions.MaxNote))
	}
}

// isNews says whether the reason differs from the one before, and has not been told already: a plan that was made before the cache showed
// the last one's result would tell it twice.
func (r *Reconciler) isNews(cluster string, before, after *metav1.Condition) bool {
	was, is := reasonOf(before), reasonOf(after)
	if was == is || r.told[cluster] == is {
		return false
	}
	if r.told == nil {
		r.told = map[string]string{}
	}
	r.told[cluster] = is
	return true
}

func reasonOf(c *metav1.Condition) string {
	if c == nil {
		return reasonUntainted
	}
	return c.Reason
}
