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
	// MaxRetry bounds Wait: a cache that has lost its watch is asked once a second.
	MaxRetry = time.Second
)

// Writes remembers the last write to each object. It is safe for concurrent use.
type Writes struct {
	clock clock.PassiveClock

	mu   sync.Mutex
	last map[types.NamespacedName]write
}

type write struct {
	// version is what the write led to; when it was refused, what it was made upon.
	version    string
	generation int64 // that the write is of; 0 when nobody asks
	refused    bool
	at         time.Time
}

// seen says whether a cached version may be written upon.
func (w write) seen(cached string) bool {
	if w.refused {
		return cached != w.version // the same would be refused again
	}
	return !older(cached, w.version)
}

// New makes an empty memory.
func New(c clock.PassiveClock) *Writes {
	return &Writes{clock: c, last: map[types.NamespacedName]write{}}
}

// Wrote remembers the resource version that a write led to.
func (w *Writes) Wrote(key types.NamespacedName, version string) { w.WroteOf(key, version, 0) }

// WroteOf is Wrote for a write that is of one generation of the object: the one that it led to or, as a status, speaks of.
func (w *Writes) WroteOf(key types.NamespacedName, version string, generation int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[key] = write{version: version, generation: generation, at: w.clock.Now()}
}

// Refused remembers that a write upon a cached resource version (empty: not in the cache) was a conflict: the host has another one,
// which the cache has not shown yet.
func (w *Writes) Refused(key types.NamespacedName, cached string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[key] = write{version: cached, refused: true, at: w.clock.Now()}
}

// Wait is when to look again at an object that Seen is false of: Retry for a write that is on its way, which ends after Patience. After one
// that was refused it is as long as has been waited already, between Retry and MaxRetry, so that a cache that is away for long is
// asked seldom.
func (w *Writes) Wait(key types.NamespacedName) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[key]
	if !known || !last.refused {
		return Retry
	}
	return min(max(w.clock.Since(last.at), Retry), MaxRetry)
}

// Seen says whether a cached object, of the given resource version (empty: not in the cache), is as new as the
// last write to it; after one that was refused, whether it is another than the one that was written upon. It is true when nothing is
// remembered, and after Patience.
func (w *Writes) Seen(key types.NamespacedName, cached string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[key]
	if !known {
		return true
	}
	if w.clock.Since(last.at) < Patience && !last.seen(cached) {
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
	return known && !last.refused && last.version == version
}

// OwnOf says of a cached object whether its version is Own, and its generation the one that the write was of. A status is written
// without a precondition, so somebody else's edit may lie before it that the cache has not shown; then it shows both as one.
func (w *Writes) OwnOf(key types.NamespacedName, version string, generation int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[key]
	return known && !last.refused && last.version == version && last.generation == generation
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
