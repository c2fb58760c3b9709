package v1alpha1

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Keys of taints on Clusters that Flotilla itself writes. A toleration for one of them, in a placement's clusterTolerations,
// works as for any other taint.
const (
	// NotReadyTaint is on clusters that answer, but cannot be used.
	NotReadyTaint = "cluster.flotilla.dev/not-ready"
	// UnreachableTaint is on clusters that do not answer.
	UnreachableTaint = "cluster.flotilla.dev/unreachable"
	// UnschedulableTaint is what `kubectl flotilla cordon` puts on a cluster, with the effect NoSchedule.
	UnschedulableTaint = "cluster.flotilla.dev/unschedulable"
	// DrainTaint is what `kubectl flotilla drain` puts on a cluster, with the effect NoExecute.
	DrainTaint = "cluster.flotilla.dev/drain"
)

// IsHealthTaint is true for the keys that the manager writes by itself, because of a cluster's health.
func IsHealthTaint(key string) bool { return key == NotReadyTaint || key == UnreachableTaint }

// TaintedSince is when a taint of this Cluster began: its timeAdded, or else when the manager first saw it. False for one that
// has no timeAdded and that the manager has not seen yet.
func (c *Cluster) TaintedSince(taint *corev1.Taint) (time.Time, bool) {
	if taint.TimeAdded != nil {
		return taint.TimeAdded.Time, true
	}
	for i := range c.Status.TaintTimes {
		if seen := &c.Status.TaintTimes[i]; seen.Key == taint.Key && seen.Effect == taint.Effect {
			return seen.Since.Time, true
		}
	}
	return time.Time{}, false
}
