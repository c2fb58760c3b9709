package dependencies

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

const (
	// blindFor is for how long something has to be hidden before that is told: kinds come, and caches catch up, within seconds.
	blindFor = time.Minute
	// blindAgain is when it is told once more, while it lasts.
	blindAgain = time.Hour
)

// blinds remembers since when each owner gives nothing up because something is hidden: nobody else can tell that from what is quiet
// because nothing changes. It is safe for concurrent use.
type blinds struct {
	clock  clock.PassiveClock
	mu     sync.Mutex
	owners map[types.NamespacedName]blindness
}

type blindness struct{ since, told time.Time }

func newBlinds(c clock.PassiveClock) *blinds {
	return &blinds{clock: c, owners: map[types.NamespacedName]blindness{}}
}

// note notes whether something is hidden from an owner. It returns for how long that has been so, and whether it is to be told now.
func (b *blinds) note(owner types.NamespacedName, hidden bool) (lasts time.Duration, tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !hidden {
		delete(b.owners, owner)
		return 0, false
	}
	now := b.clock.Now()
	known, before := b.owners[owner]
	if !before {
		known.since = now
	}
	lasts = now.Sub(known.since)
	if tell = lasts >= blindFor && (known.told.IsZero() || now.Sub(known.told) >= blindAgain); tell {
		known.told = now
	}
	b.owners[owner] = known
	return lasts, tell
}
