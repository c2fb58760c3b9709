package load

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// keepInterval is how soon a manager that has ended is started again, as a kubelet would.
const keepInterval = 500 * time.Millisecond

// keeper starts managers again that have ended of themselves, because they lost their lease for example.
type keeper struct {
	fleet *local.Fleet

	mu sync.Mutex
	// held are those that are to stay as they are, since a fault is why.
	held map[string]bool
	// starts counts what was started again.
	starts map[string]int
}

func newKeeper(fleet *local.Fleet) *keeper {
	return &keeper{fleet: fleet, held: map[string]bool{}, starts: map[string]int{}}
}

// keeps says whether a process is the keeper's to start.
func (k *keeper) keeps(name string) bool { return slices.Contains(k.fleet.Managers(), name) }

// hold keeps a piece as it is until release; false when it is held already.
func (k *keeper) hold(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	free := !k.held[name]
	k.held[name] = true
	return free
}

func (k *keeper) release(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, name)
}

// counts are how often each manager was started again.
func (k *keeper) counts() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.starts)
}

// run works until ctx ends.
func (k *keeper) run(ctx context.Context) {
	var keeping sync.WaitGroup
	for _, name := range k.fleet.Managers() {
		keeping.Go(func() { wait.UntilWithContext(ctx, func(ctx context.Context) { k.look(ctx, name) }, keepInterval) })
	}
	keeping.Wait()
}

func (k *keeper) look(ctx context.Context, name string) {
	if !k.due(name) {
		return
	}
	// One that does not come up, because the host is away, is tried again, as in a crash loop.
	_ = k.fleet.Start(ctx, name)
}

func (k *keeper) due(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held[name] || k.fleet.Status(name) != process.Gone {
		return false
	}
	k.starts[name]++
	return true
}
