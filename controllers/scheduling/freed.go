package scheduling

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// freedWindow is how long the ends of bookings are gathered before those who wait are looked at.
const freedWindow = 200 * time.Millisecond

// freed gathers the clusters in which bookings became smaller. A member shows its pods before it reports them, so for a
// moment their room is taken twice; when the booking ends there is room that the member itself tells nobody of. It
// is safe for concurrent use.
type freed struct {
	mu       sync.Mutex
	clusters map[string]bool
	some     chan struct{}
}

func newFreed() *freed { return &freed{clusters: map[string]bool{}, some: make(chan struct{}, 1)} }

func (f *freed) note(cluster string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clusters[cluster] = true
	select {
	case f.some <- struct{}{}:
	default: // it is known already
	}
}

func (f *freed) take() map[string]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := f.clusters
	f.clusters = map[string]bool{}
	return taken
}

// run calls wake for each cluster that was noted, a window after the first of them, until ctx ends.
func (f *freed) run(ctx context.Context, c clock.Clock, wake func(cluster string)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.some:
		}
		select {
		case <-ctx.Done():
			return
		case <-c.After(freedWindow):
		}
		for cluster := range f.take() {
			wake(cluster)
		}
	}
}
