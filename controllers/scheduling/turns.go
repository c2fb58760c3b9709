package scheduling

import (
	"math"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// origin is why a binding is looked at.
type origin int

const (
	// byResync: after a restart, or because of a change that concerns many.
	byResync origin = iota
	// byUser: because the binding itself changed, or room came for it.
	byUser
)

// The order of the queue is one number, the larger the sooner: the binding's own priority, then why it is looked at,
// then how many of its namespace are queued before it, so that a namespace with a thousand bindings lets one with a few pass.
// Within one number the queue keeps the order in time.
const (
	// maxBefore is how far behind a namespace's bindings are put.
	maxBefore = 1<<20 - 1
	// afterAll is the place of what is only to be told: thousands of decisions that wait are worth more than the words
	// about those that were made.
	afterAll = math.MinInt
	// userStep is more than any namespace's queue, priorityStep more than that.
	userStep     = maxBefore + 1
	priorityStep = 2 * userStep
)

// turns says when it is whose turn. It is safe for concurrent use.
type turns struct {
	mu     sync.Mutex
	queued map[types.NamespacedName]bool
	counts map[string]int // queued, by namespace
}

func newTurns() *turns {
	return &turns{queued: map[types.NamespacedName]bool{}, counts: map[string]int{}}
}

// place is the number of a binding that is being queued. A priority is that of a PriorityClass.
func (t *turns) place(key types.NamespacedName, priority int32, why origin) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.counts[key.Namespace]
	if !t.queued[key] {
		t.queued[key] = true
		t.counts[key.Namespace]++
	}
	return int(priority)*priorityStep + int(why)*userStep - min(before, maxBefore)
}

// begun says that a binding is being looked at.
func (t *turns) begun(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.queued[key] {
		return
	}
	delete(t.queued, key)
	if t.counts[key.Namespace]--; t.counts[key.Namespace] == 0 {
		delete(t.counts, key.Namespace)
	}
}

// enqueue queues a binding in its turn, after a while when one is given.
func (r *Reconciler) enqueue(q queue, key types.NamespacedName, priority int32, why origin, after time.Duration) {
	request := ctrl.Request{NamespacedName: key}
	ordered, ok := q.(priorityqueue.PriorityQueue[ctrl.Request])
	if !ok {
		q.AddAfter(request, after)
		return
	}
	place := r.turns.place(key, priority, why)
	ordered.AddWithOpts(priorityqueue.AddOpts{After: after, Priority: &place}, request)
}
