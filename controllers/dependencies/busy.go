package dependencies

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// busy lets one at a time write to a binding. It is safe for concurrent use.
type busy struct {
	mu   sync.Mutex
	keys sets.Set[types.NamespacedName]
}

func newBusy() *busy { return &busy{keys: sets.New[types.NamespacedName]()} }

// begin is false while somebody else writes. Whoever begins has to end.
func (b *busy) begin(key types.NamespacedName) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys.Has(key) {
		return false
	}
	b.keys.Insert(key)
	return true
}

func (b *busy) end(key types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys.Delete(key)
}
