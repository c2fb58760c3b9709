package execution

import (
	"context"
	"fmt"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/internal/recent"
)

// feed is a controller's source that others put bindings into. Before the controller has started, what is
// put in is dropped, but for a note of what changed lately: every controller here looks at all that concerns it when it
// starts, and at that first.
type feed struct {
	queue atomic.Pointer[priorityqueue.PriorityQueue[types.NamespacedName]]
	// latest is nil where the order at the start does not matter.
	latest *recent.Log[types.NamespacedName]
}

// begin takes the controller's queue.
func (f *feed) begin(_ context.Context, typed workqueue.TypedRateLimitingInterface[types.NamespacedName]) error {
	queue, ok := typed.(priorityqueue.PriorityQueue[types.NamespacedName])
	if !ok {
		return fmt.Errorf("the queue %T has no priorities", typed)
	}
	f.queue.Store(&queue)
	if f.latest != nil {
		for key, priority := range f.latest.Take() {
			f.enqueue(priority, key)
		}
	}
	return nil
}

// length is how many bindings wait in the queue.
func (f *feed) length() int {
	if queue := f.queue.Load(); queue != nil {
		return (*queue).Len()
	}
	return 0
}

func (f *feed) enqueue(priority int, keys ...types.NamespacedName) {
	if queue := f.queue.Load(); queue != nil {
		(*queue).AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, keys...)
		return
	}
	if f.latest == nil || priority <= handler.LowPriority {
		return
	}
	for _, key := range keys {
		f.latest.Note(key, priority)
	}
}
