package tainting

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheEndOfAHoldIsRememberedUntilTheNext(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	var r Reconciler
	for _, step := range []struct {
		held   bool
		second int
		want   time.Time
	}{
		{false, 1, time.Time{}}, {true, 2, time.Time{}}, {true, 3, time.Time{}}, {false, 60, at(60)}, {false, 70, at(60)}, {true, 80, at(60)}, {false, 90, at(90)},
	} {
		if got := r.noteHold(step.held, at(step.second)); !got.Equal(step.want) {
			t.Errorf("second %d: the last hold ended %s, want %s", step.second, got, step.want)
		}
	}
}

func TestAReasonIsToldOnceAlsoFromAnOldCache(t *testing.T) {
	because := func(reason string) *metav1.Condition { return &metav1.Condition{Reason: reason} }
	var r Reconciler
	for i, step := range []struct {
		before, after *metav1.Condition
		want          bool
	}{
		{nil, nil, false},
		{nil, because("Pending"), true}, {nil, because("Pending"), false}, {because("Pending"), because("Pending"), false},
		{because("Pending"), because("Evicting"), true},
		{because("Evicting"), nil, true}, {because("Evicting"), nil, false},
		{nil, because("Pending"), true},
	} {
		if got := r.isNews("berlin", step.before, step.after); got != step.want {
			t.Errorf("step %d: isNews(%v, %v) = %t, want %t", i, step.before, step.after, got, step.want)
		}
	}
	if !r.isNews("rome", nil, because("Pending")) {
		t.Error("what was told of berlin is not told of rome")
	}
}
