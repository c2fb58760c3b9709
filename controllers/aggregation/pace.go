package aggregation

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// Pace says how often a binding's status, and its template's, are written.
type Pace struct {
	// Settle is how long after the first news a binding is looked at.
	Settle time.Duration
	// Turn is the least time between two writes about the same binding.
	Turn time.Duration
	// Progress is the least time before news that turns no condition is written.
	Progress time.Duration
}

// DefaultPace makes a start of an application that takes less than Progress cost four writes: one of the
// binding and one of the template when it is applied everywhere, and the same when it is healthy everywhere. With
// the four that come before (template, binding, decision and its status) these are the eight that the design allows.
var DefaultPace = Pace{Settle: 200 * time.Millisecond, Turn: time.Second, Progress: 5 * time.Second}

// pacer remembers when it last let a write about a binding pass. It is safe for concurrent use.
type pacer struct {
	clock clock.PassiveClock
	pace  Pace

	mu   sync.Mutex
	last map[types.NamespacedName]mark
}

// mark is the last write, or the first news when nothing was written yet.
type mark struct {
	at      time.Time
	written bool
}

func newPacer(c clock.PassiveClock, p Pace) *pacer {
	return &pacer{clock: c, pace: p, last: map[types.NamespacedName]mark{}}
}

// wait is how long news has to wait; zero or less when it may be written now.
func (p *pacer) wait(key types.NamespacedName, urgent bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, known := p.last[key]
	if !known {
		last = mark{at: p.clock.Now()}
		p.last[key] = last
	}
	passed := p.clock.Since(last.at)
	switch {
	case !urgent:
		return p.pace.Progress - passed
	case last.written:
		return p.pace.Turn - passed
	default:
		return 0
	}
}

func (p *pacer) wrote(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[key] = mark{at: p.clock.Now(), written: true}
}

func (p *pacer) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, key)
}
