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

// Look is what one look at a member showed.
type Look struct {
	// Answers is true when nothing was wrong.
	Answers bool
	// Refuses is true when the member is there and cannot be used, because its certificate or our credentials have ended, for example.
	Refuses bool
	// Ready is true when its Cluster is Ready.
	Ready bool
}

// Note notes a look at the member of a Cluster. That it answers does not end that it is lost; that it is Ready does, and that it refuses
// us: what runs there runs on.
func (l *Lookout) Note(cluster types.UID, seen Look) {
	for _, f := range l.note(cluster, seen) {
		f()
	}
}

// note returns who is to be told.
func (l *Lookout) note(cluster types.UID, seen Look) []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	last, known := l.looks[cluster]
	if known = known && l.counts(last, now); !known {
		last = look{}
	}
	next := look{at: now, Sighting: stampede.Sighting{Answers: seen.Answers, LostSince: last.LostSince}}
	if next.AnswersSince = last.AnswersSince; !seen.Answers {
		next.AnswersSince = time.Time{}
	} else if next.AnswersSince.IsZero() {
		next.AnswersSince = now
	}
	switch {
	case seen.Answers && seen.Ready, seen.Refuses:
		next.LostSince = time.Time{}
	case !seen.Answers && next.LostSince.IsZero():
		next.LostSince = now
	}
	l.looks[cluster] = next
	if known && last.Answers == seen.Answers {
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
