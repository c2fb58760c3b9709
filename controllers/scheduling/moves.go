package scheduling

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// tellDelay is how long after a binding was placed its status tells so. The members come first: by then they
// usually hold the object, and decisions that follow each other quickly are told once. A decision that does not
// hold is told at once.
const tellDelay = 250 * time.Millisecond

// moves remembers when bindings were placed, until that has been told. A restart forgets it, and tells at once.
type moves struct {
	mu sync.Mutex
	at map[types.NamespacedName]time.Time
}

func (m *moves) note(key types.NamespacedName, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at[key] = at
}

// last is when a binding was placed; zero when that has been told.
func (m *moves) last(key types.NamespacedName) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at[key]
}

func (m *moves) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, key)
}
