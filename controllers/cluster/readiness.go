package cluster

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// verdict is what one look says about a member's readiness.
type verdict struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

// settle makes the condition Ready from what it was and what is seen now, so that one lost probe, or one
// that gets through, does not flip it:
//
//	seen     ✓ ✓ ✗ ✗ ✓ ✗ ✗ ✗ ✗ ✗ ✓ ✓ ✓ ✓
//	Ready    T T T T T T T T F F F F F T     (threshold of three intervals, both ways)
//
// The first look counts at once, so does what is certain (a Secret that is missing, for example), and so
// does an answer after anything else than silence was wrong, or after the user changed the spec.
func settle(cluster *v1alpha1.Cluster, previous *metav1.Condition, seen verdict, now time.Time, t Timings) (metav1.Condition, *v1alpha1.ProbeStatus) {
	probe := advance(cluster.Status.Probe, seen.status, now)
	next := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: seen.status, Reason: seen.reason, Message: seen.message,
		ObservedGeneration: cluster.Generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
	if previous == nil {
		return next, probe
	}
	if previous.Status == seen.status {
		next.LastTransitionTime = previous.LastTransitionTime
		return next, probe
	}
	patience := patienceFor(cluster.Generation, *previous, seen, t)
	if now.Sub(probe.Since.Time) < patience {
		return *previous, probe
	}
	return next, probe
}

// advance remembers since when the outcome is what it is. Times have the API's precision, a second.
func advance(previous *v1alpha1.ProbeStatus, outcome metav1.ConditionStatus, now time.Time) *v1alpha1.ProbeStatus {
	if previous != nil && previous.Outcome == outcome {
		return previous.DeepCopy()
	}
	return &v1alpha1.ProbeStatus{Outcome: outcome, Since: metav1.NewTime(now.Truncate(time.Second))}
}

// patienceFor is how long a new outcome must hold before it counts.
func patienceFor(generation int64, previous metav1.Condition, seen verdict, t Timings) time.Duration {
	switch {
	case previous.Status == metav1.ConditionTrue && mayPass(seen.reason):
		return t.FailureThreshold
	case seen.status == metav1.ConditionTrue && isSilence(previous.Reason) && previous.ObservedGeneration == generation:
		return t.SuccessThreshold
	}
	return 0
}

// mayPass is true for what may be over at the next look without anybody's doing.
func mayPass(reason string) bool {
	switch reason {
	case v1alpha1.ReasonUnauthorized, v1alpha1.ReasonForbidden, v1alpha1.ReasonCertificateInvalid:
		return true
	}
	return isSilence(reason)
}

func isSilence(reason string) bool {
	return reason == v1alpha1.ReasonClusterNotReachable || reason == v1alpha1.ReasonClusterNotReady
}
