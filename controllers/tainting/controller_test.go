package tainting

import (
	"testing"
	"time"
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
