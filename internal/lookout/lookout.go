package lookout

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// Lookout holds what was seen of each member. It is safe for concurrent use.
type Lookout struct {
	clock clock.PassiveClock
	// fresh is for how long a look counts.
	fresh     time.Duration
	mu        sync.Mutex
	looks     map[types.UID]look
	listeners []func()
}

// look is the last look at a member, and since when it has been lost.
type look struct {
	at time.Time
	stampede.Sighting
}

// New makes a Lookout without a look. A look counts for the time fresh; afterwards, as in a process that was stopped for an hour and goes
// on, the member counts as never looked at.
func New(c clock.PassiveClock, fresh time.Duration) *Lookout {
	return &Lookout{clock: c, fresh: fresh, looks: map[types.UID]look{}}
}

// OnNews calls f, from another goroutine, whenever a member is looked at for the first time, ceases to answer, or answers again. f must not
// block.
func (l *Lookout) OnNews(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listeners = append(l.listeners, f)
}

// Note notes a look at the member of a Cluster: whether it answered, and whether the Cluster is Ready. That it answers does not end that
// it is lost; that it is Ready does.
func (l *Lookout) Note(cluster types.UID, answers, ready bool) {
	for _, f := range l.note(cluster, answers, ready) {
		f()
	}
}

// note returns who is to be told.
func (l *Lookout) note(cluster types.UID, answers, ready bool) []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	last, known := l.looks[cluster]
	if known = known && l.counts(last, now); !known {
		last = look{}
	}
	next := look{at: now, Sighting: stampede.Sighting{Answers: answers, LostSince: last.LostSince}}
	if next.AnswersSince = last.AnswersSince; !answers {
		next.AnswersSince = time.Time{}
	} else if next.AnswersSince.IsZero() {
		next.AnswersSince = now
	}
	switch {
	case answers && ready:
		next.LostSince = time.Time{}
	case !answers && next.LostSince.IsZero():
		next.LostSince = now
	}
	l.looks[cluster] = next
	if known && last.Answers == answers {
		return nil
	}
	return l.listeners
}

// Forget drops what was seen of a Cluster that is gone.
func (l *Lookout) Forget(cluster types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.looks, cluster)
}

// Sightings are what is known of each member now; those that are not there were not looked at. It is never nil.
func (l *Lookout) Sightings() stampede.Sightings {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	sightings := make(stampede.Sightings, len(l.looks))
	for cluster, last := range l.looks {
		if l.counts(last, now) {
			sightings[cluster] = last.Sighting
		}
	}
	return sightings
}

func (l *Lookout) counts(last look, now time.Time) bool { return now.Sub(last.at) <= l.fresh }
