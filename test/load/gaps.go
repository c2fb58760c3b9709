package load

import (
	"slices"
	"time"

	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

// observation is one change, when it was acknowledged, and when the members that it concerns held it.
type observation struct {
	key          verdict.Key
	asked, acked time.Time
	held         map[string]time.Time
	members      []string
}

// Spread describes durations. All are 0 when there were none.
type Spread struct {
	Count         int
	P50, P99, Max time.Duration
}

// Gaps is how long changes took in a span of time.
type Gaps struct {
	// Written is how long the host took to acknowledge a change, from the first attempt on.
	Written Spread
	// Arrived is how long an acknowledged change took until a member that the fault did not concern held it.
	Arrived Spread
	// Concerned is the same for the member that the fault concerned.
	Concerned Spread
	// Silence is the longest time in which no member got anything new.
	Silence time.Duration
}

// measure sums up the changes of a span. Changes that were overtaken before a member got them, a creation by a deletion for example,
// are not counted there.
func measure(changes []observation, arrivals []time.Time, from, to time.Time, concerned string) Gaps {
	var written, arrived, apart []time.Duration
	for _, c := range changes {
		if c.acked.IsZero() {
			continue
		}
		written = append(written, c.acked.Sub(c.asked))
		for _, member := range c.members {
			at, held := c.held[member]
			if !held {
				continue
			}
			took := max(0, at.Sub(c.acked))
			if member == concerned {
				apart = append(apart, took)
				continue
			}
			arrived = append(arrived, took)
		}
	}
	return Gaps{Written: spreadOf(written), Arrived: spreadOf(arrived), Concerned: spreadOf(apart), Silence: silence(arrivals, from, to)}
}

// slowest is the acknowledged change that took longest until a member held it, and the member; none when there was none.
func slowest(changes []observation) (change observation, member string) {
	longest := time.Duration(-1)
	for _, c := range changes {
		for _, m := range c.members {
			if at, held := c.held[m]; held && !c.acked.IsZero() && at.Sub(c.acked) > longest {
				longest, change, member = at.Sub(c.acked), c, m
			}
		}
	}
	return change, member
}

// silence is the longest stretch of a span without an arrival.
func silence(arrivals []time.Time, from, to time.Time) time.Duration {
	points := append([]time.Time{from, to}, arrivals...)
	slices.SortFunc(points, time.Time.Compare)
	longest := time.Duration(0)
	for i := range points[1:] {
		longest = max(longest, points[i+1].Sub(points[i]))
	}
	return longest
}

func spreadOf(durations []time.Duration) Spread {
	if len(durations) == 0 {
		return Spread{}
	}
	slices.Sort(durations)
	at := func(percent int) time.Duration { return durations[min(len(durations)-1, len(durations)*percent/100)] }
	return Spread{Count: len(durations), P50: at(50), P99: at(99), Max: durations[len(durations)-1]}
}
