package fence

import (
	"testing"
	"time"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	terms = Terms{RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second}
)

func TestARenewalLastsFromWhenItWasSentUntilTheDeadline(t *testing.T) {
	for name, tc := range map[string]struct {
		renewed, now time.Time
		remaining    time.Duration
		due          bool
	}{
		"never renewed":           {time.Time{}, start, 0, true},
		"just renewed":            {start, start, 10 * time.Second, false},
		"a moment before the try": {start, start.Add(1999 * time.Millisecond), 8001 * time.Millisecond, false},
		"at the next try":         {start, start.Add(2 * time.Second), 8 * time.Second, true},
		"at the deadline":         {start, start.Add(10 * time.Second), 0, true},
		"long after the deadline": {start, start.Add(time.Hour), 10*time.Second - time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := terms.Remaining(tc.renewed, tc.now); got != tc.remaining {
				t.Errorf("Remaining() = %s, want %s", got, tc.remaining)
			}
			if got := terms.Due(tc.renewed, tc.now); got != tc.due {
				t.Errorf("Due() = %v, want %v", got, tc.due)
			}
		})
	}
}

// TestAMachineThatSleptHasNoLeaseLeft takes a time that only the wall clock has counted: it has no monotonic reading.
func TestAMachineThatSleptHasNoLeaseLeft(t *testing.T) {
	renewed := time.Now()
	for name, tc := range map[string]struct {
		now  time.Time
		want bool
	}{
		"awake":               {renewed.Add(time.Second), true},
		"the wall clock only": {renewed.Round(0).Add(time.Minute), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := terms.Remaining(renewed, tc.now) > 0; got != tc.want {
				t.Errorf("something may be changed: %v, want %v", got, tc.want)
			}
		})
	}
}
