package health

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Observation is what one look at a member says about its readiness.
type Observation struct {
	// Status is True when the member can be used, False when it cannot, Unknown when nobody can tell.
	Status metav1.ConditionStatus
	// Reason is one of the reasons of a Cluster's condition Ready.
	Reason string
	// Message completes the reason for people.
	Message string
	// Way identifies how the member was reached. When it changes, because the user corrected it, an answer counts at once.
	// Empty is no other way than before.
	Way string
}

// Last is what was thought of a member before.
type Last struct {
	// Ready is the condition; nil before the first look.
	Ready *metav1.Condition
	// Probe is since when the outcome is what it is; nil before the first look.
	Probe *v1alpha1.ProbeStatus
}

// Thresholds say how long an observation must hold before the condition follows it.
type Thresholds struct {
	// Success is how long a member that was silent must answer until it is Ready.
	Success time.Duration
	// Failure is how long a Ready member must fail until it is no longer Ready.
	Failure time.Duration
}

// Judge makes the condition Ready from what it was and what is seen now, so that one lost probe, or one that gets through,
// does not flip it:
//
//	seen     ✓ ✓ ✗ ✗ ✓ ✗ ✗ ✗ ✗ ✗ ✓ ✓ ✓ ✓
//	Ready    T T T T T T T T F F F F F T     (threshold of three intervals, both ways)
//
// The first look counts at once, so does what is certain (a Secret that is missing, for example), and so does an answer
// after anything else than silence was wrong, or after the user changed how the member is reached. The condition's
// observedGeneration is the caller's to set. Times have the API's precision, a second.
func Judge(seen Observation, last Last, t Thresholds, now time.Time) (metav1.Condition, *v1alpha1.ProbeStatus) {
	probe := advance(last.Probe, seen, now)
	next := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: seen.Status, Reason: seen.Reason, Message: seen.Message,
		LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
	switch {
	case last.Ready == nil:
	case last.Ready.Status == seen.Status:
		next.LastTransitionTime = last.Ready.LastTransitionTime
	case now.Sub(probe.Since.Time) < patience(seen, last, t):
		return *last.Ready, probe
	}
	return next, probe
}

// advance remembers since when the outcome is what it is, and by which way.
func advance(last *v1alpha1.ProbeStatus, seen Observation, now time.Time) *v1alpha1.ProbeStatus {
	next := &v1alpha1.ProbeStatus{Outcome: seen.Status, Since: metav1.NewTime(now.Truncate(time.Second)), Way: seen.Way}
	if last == nil {
		return next
	}
	if next.Way == "" {
		next.Way = last.Way
	}
	if last.Outcome == seen.Status {
		next.Since = last.Since
	}
	return next
}

// patience is how long a new outcome must hold before it counts.
func patience(seen Observation, last Last, t Thresholds) time.Duration {
	switch {
	case last.Ready.Status == metav1.ConditionTrue && MayPass(seen.Reason):
		return t.Failure
	case seen.Status == metav1.ConditionTrue && IsSilence(last.Ready.Reason) && !anotherWay(seen, last.Probe):
		return t.Success
	}
	return 0
}

func anotherWay(seen Observation, probe *v1alpha1.ProbeStatus) bool {
	return probe != nil && probe.Way != "" && seen.Way != "" && probe.Way != seen.Way
}

// MayPass is true for what may be over at the next look without anybody's doing.
func MayPass(reason string) bool {
	switch reason {
	case v1alpha1.ReasonUnauthorized, v1alpha1.ReasonForbidden, v1alpha1.ReasonCertificateInvalid, v1alpha1.ReasonCertificateExpired:
		return true
	}
	return IsSilence(reason)
}

// IsSilence is true when a member does not answer, or not as a healthy API server does.
func IsSilence(reason string) bool {
	return reason == v1alpha1.ReasonClusterNotReachable || reason == v1alpha1.ReasonClusterNotReady
}

// Outage is true when a condition Ready says that what runs in the member may be gone. A member that answers and refuses
// the manager runs on: nothing new can be placed there, and nothing is gained by running it twice.
func Outage(ready metav1.Condition) bool {
	return ready.Status != metav1.ConditionTrue && IsSilence(ready.Reason)
}
