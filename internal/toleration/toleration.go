package toleration

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Tolerated says whether any of the tolerations tolerates the taint. An empty effect, and an empty key with Exists, match
// all; an empty operator is Equal. (corev1's own method wants a logger.)
func Tolerated(taint *corev1.Taint, tolerations []corev1.Toleration) bool {
	for i := range tolerations {
		if tolerates(&tolerations[i], taint) {
			return true
		}
	}
	return false
}

// For says for how long the tolerations tolerate a taint: for ever, or for a time, which is never negative. tolerated is false
// when none of them matches. As on pods, the first that matches counts.
func For(taint *corev1.Taint, tolerations []corev1.Toleration) (patience time.Duration, tolerated, forever bool) {
	for i := range tolerations {
		if !tolerates(&tolerations[i], taint) {
			continue
		}
		seconds := tolerations[i].TolerationSeconds
		if seconds == nil {
			return 0, true, true
		}
		return time.Duration(min(max(*seconds, 0), maxSeconds)) * time.Second, true, false
	}
	return 0, false, false
}

// maxSeconds is a century, so that no sum of times overflows.
const maxSeconds = 100 * 365 * 24 * 3600

func tolerates(t *corev1.Toleration, taint *corev1.Taint) bool {
	switch {
	case t.Effect != "" && t.Effect != taint.Effect, t.Key != "" && t.Key != taint.Key:
		return false
	case t.Operator == corev1.TolerationOpExists:
		return true
	default:
		return (t.Operator == "" || t.Operator == corev1.TolerationOpEqual) && t.Key != "" && t.Value == taint.Value
	}
}
