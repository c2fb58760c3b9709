package recent

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Log holds the keys that changed lately, with their priorities. It is safe for concurrent use.
type Log[K comparable] struct {
	clock  clock.PassiveClock
	window time.Duration

	mu sync.Mutex
	// young are the changes since the time turned, old those of the window before.
	young, old map[K]int
	turned     time.Time
}

// NewLog makes a log that keeps each change for at least the window, and for less than twice as long.
func NewLog[K comparable](c clock.PassiveClock, window time.Duration) *Log[K] {
	return &Log[K]{clock: c, window: window, young: map[K]int{}, turned: c.Now()}
}

// Note notes a change; the highest of several priorities counts.
func (l *Log[K]) Note(key K, priority int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	if known, ok := l.young[key]; !ok || priority > known {
		l.young[key] = priority
	}
}

// Take returns what changed lately, with the priorities, and forgets it.
func (l *Log[K]) Take() map[K]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	taken := l.young
	for key, priority := range l.old {
		if known, ok := taken[key]; !ok || priority > known {
			taken[key] = priority
		}
	}
	l.young, l.old = map[K]int{}, nil
	return taken
}

// turn forgets what is older than the window; the caller holds the lock.
func (l *Log[K]) turn() {
	now := l.clock.Now()
	switch age := now.Sub(l.turned); {
	case age < l.window:
		return
	case age < 2*l.window:
		l.old = l.young
	default:
		l.old = nil
	}
	l.young, l.turned = map[K]int{}, now
}
