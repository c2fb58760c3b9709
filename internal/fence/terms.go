package fence

import "time"

// Terms are how long a renewal of the lease lasts.
type Terms struct {
	// RenewDeadline is how long after a renewal was sent something may be changed: as long as the manager tries to renew the
	// lease before it gives up.
	RenewDeadline time.Duration
	// RetryPeriod is the time between two renewals.
	RetryPeriod time.Duration
}

// Remaining is for how long something may still be changed when the lease was last renewed by a request that was sent then.
// It is 0 or less when nothing may, as before the first renewal, which is the zero time.
func (t Terms) Remaining(renewed, now time.Time) time.Duration {
	if renewed.IsZero() {
		return 0
	}
	return t.RenewDeadline - Elapsed(renewed, now)
}

// Due says whether it is time to renew the lease again.
func (t Terms) Due(renewed, now time.Time) bool {
	return renewed.IsZero() || Elapsed(renewed, now) >= t.RetryPeriod
}

// Elapsed is the longer of what the two clocks of a machine say. The monotonic one does not run while a machine sleeps, and
// the other one may be set back; one that is set forward costs no more than an early renewal.
func Elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
