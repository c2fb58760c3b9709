package conditions

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// MaxMessage is the longest message of a condition that its schema takes, in bytes.
	MaxMessage = 32768
	// MaxNote is the longest note of an event that the API takes, in bytes.
	MaxNote = 1024
)

const dots = "..."

// Shorten cuts a text to at most limit bytes, dots included, without cutting a character in two: the API takes
// valid UTF-8 only. limit must be at least 3.
func Shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(dots)], "") + dots
}

// Count is a number of things for a message: "1 cluster", "2 clusters".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Timed gives a condition, which says now, the time of the one before when its status is what it was: the time tells since
// when the status holds, whatever its reason has been.
func Timed(before []metav1.Condition, now metav1.Condition) metav1.Condition {
	if old := meta.FindStatusCondition(before, now.Type); old != nil && old.Status == now.Status {
		now.LastTransitionTime = old.LastTransitionTime
	}
	return now
}

// TurnedBad says whether a condition is False now, and was not False for the same reason before.
func TurnedBad(before []metav1.Condition, now metav1.Condition) bool {
	if now.Status != metav1.ConditionFalse {
		return false
	}
	old := meta.FindStatusCondition(before, now.Type)
	return old == nil || old.Status != now.Status || old.Reason != now.Reason
}
