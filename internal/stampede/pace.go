package stampede

import "time"

// Pace counts the evictions that have begun. It is a bucket that fills at the rate of a group and holds what one second
// brings, but at least one. The zero Pace holds one: a manager that starts anew begins slowly.
type Pace struct {
	left float64
	at   time.Time
}

// Take lets up to want evictions begin, and says how many may.
func (p Pace) Take(want int, rate float64, now time.Time) (Pace, int) {
	p = p.filled(rate, now)
	granted := max(0, min(want, int(p.left)))
	if rate <= 0 {
		granted = 0
	}
	p.left -= float64(granted)
	return p, granted
}

// Wait is how long it takes until the next eviction may begin; false when none will at this rate.
func (p Pace) Wait(rate float64, now time.Time) (time.Duration, bool) {
	if rate <= 0 {
		return 0, false
	}
	p = p.filled(rate, now)
	if p.left >= 1 {
		return 0, true
	}
	// Rounded up, so that who waits that long finds the bucket full enough.
	return time.Duration((1-p.left)/rate*float64(time.Second)) + time.Microsecond, true
}

func (p Pace) filled(rate float64, now time.Time) Pace {
	if p.at.IsZero() {
		return Pace{left: 1, at: now}
	}
	passed := max(0, now.Sub(p.at).Seconds())
	return Pace{left: min(max(1, rate), p.left+passed*max(0, rate)), at: now}
}
