package ownwrites

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
)

const (
	// Patience is how long a write is waited for. A cache that lags longer has lost its watch, or the object
	// went away before the cache saw it; then writing twice is better than waiting on.
	Patience = 5 * time.Second
	// Retry is when to look again for a write that has not been seen. A healthy watch needs a few milliseconds.
	Retry = 20 * time.Millisecond
)

// Writes remembers the last write to each object. It is safe for concurrent use.
type Writes struct {
	clock clock.PassiveClock

	mu   sync.Mutex
	last map[types.NamespacedName]write
}

type write struct {
	version string
	at      time.Time
}

// New makes an empty memory.
func New(c clock.PassiveClock) *Writes {
	return &Writes{clock: c, last: map[types.NamespacedName]write{}}
}

// Wrote remembers the resource version that a write led to.
func (w *Writes) Wrote(key types.NamespacedName, version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[key] = write{version: version, at: w.clock.Now()}
}

// Seen says whether a cached object, of the given resource version (empty: not in the cache), is as new as the
// last write to it. It is true when nothing is remembered, and after Patience.
func (w *Writes) Seen(key types.NamespacedName, cached string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[key]
	if !known {
		return true
	}
	if w.clock.Since(last.at) < Patience && older(cached, last.version) {
		return false
	}
	delete(w.last, key)
	return true
}

// Own says whether a resource version is the one that the last write to the object led to.
func (w *Writes) Own(key types.NamespacedName, version string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[key]
	return known && last.version == version
}

// Forget drops what is remembered of an object that was deleted.
func (w *Writes) Forget(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.last, key)
}

// older compares resource versions, which Kubernetes promises to be growing numbers. Versions that are not
// cannot be compared and count as seen.
func older(cached, written string) bool {
	if cached == "" {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(cached, written)
	return err == nil && order < 0
}
