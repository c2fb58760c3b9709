package report

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Hearing is what a member itself said of an object when it was asked, and what it has reported since.
type Hearing struct {
	// At is when the member was asked.
	At time.Time
	// Health is the newest verdict on the object, not older than At.
	Health v1alpha1.Health
}

// hearing is a Hearing, and whether somebody doubts that it is still so.
type hearing struct {
	Hearing
	known, doubted bool
}

// OnDoubt calls f, from the doubter's goroutine, whenever a member is to be asked about a binding's object. f must not block.
func (b *Board) OnDoubt(f func(binding types.NamespacedName, cluster string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.doubtListeners = append(b.doubtListeners, f)
}

// OnHearing calls f, from the worker's goroutine, whenever a member that was to be asked has answered. f must not block.
func (b *Board) OnHearing(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hearingListeners = append(b.hearingListeners, f)
}

// Doubt says that what is known of a binding's object in a member is not enough: the member itself is to be asked.
func (b *Board) Doubt(binding types.NamespacedName, cluster string) {
	for _, f := range b.doubt(binding, cluster) {
		f(binding, cluster)
	}
}

// doubt returns who is to be told.
func (b *Board) doubt(binding types.NamespacedName, cluster string) []func(types.NamespacedName, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	members := b.hearings[binding]
	if members == nil {
		members = map[string]hearing{}
		b.hearings[binding] = members
	}
	h := members[cluster]
	if h.doubted {
		return nil
	}
	h.doubted = true
	members[cluster] = h
	return b.doubtListeners
}

// Doubted says whether a member is to be asked about a binding's object.
func (b *Board) Doubted(binding types.NamespacedName, cluster string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.hearings[binding][cluster].doubted
}

// Hear notes what a member said when it was asked. From then on nothing older may be posted.
func (b *Board) Hear(binding types.NamespacedName, cluster string, h Hearing) {
	for _, f := range b.hear(binding, cluster, h) {
		f()
	}
}

// hear returns who is to be told.
func (b *Board) hear(binding types.NamespacedName, cluster string, h Hearing) []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	members := b.hearings[binding]
	if !members[cluster].doubted {
		return nil // the binding or the member is gone
	}
	members[cluster] = hearing{Hearing: h, known: true}
	return b.hearingListeners
}

// Heard is what a member itself has said of a binding's object; false when this process has not asked it.
func (b *Board) Heard(binding types.NamespacedName, cluster string) (Hearing, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	h := b.hearings[binding][cluster]
	return h.Hearing, h.known
}

// update keeps a hearing as new as the reports; the caller holds the lock.
func (b *Board) update(binding types.NamespacedName, cluster string, r Report) {
	if h := b.hearings[binding][cluster]; h.known {
		h.Health = r.Health
		b.hearings[binding][cluster] = h
	}
}
