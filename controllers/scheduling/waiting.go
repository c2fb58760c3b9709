package scheduling

import (
	"cmp"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// waiting knows the bindings that more room would help, and where. It is safe for concurrent use.
type waiting struct {
	mu        sync.Mutex
	bindings  map[types.NamespacedName]wait
	byCluster map[string]map[types.NamespacedName]bool
	turns     uint64 // that were given out
}

// wait is what one binding waits for.
type wait struct {
	class    *capacity.Class
	priority int32
	// clusters are where, and above how much room: with as much it was decided to wait.
	clusters map[string]int32
	turn     uint64 // the smaller, the longer it waits; set by waiting
}

// waiter is a binding that waits.
type waiter struct {
	binding  types.NamespacedName
	priority int32
}

func newWaiting() *waiting {
	return &waiting{bindings: map[types.NamespacedName]wait{}, byCluster: map[string]map[types.NamespacedName]bool{}}
}

// drop says that more room would not help a binding.
func (w *waiting) drop(binding types.NamespacedName) { w.set(binding, wait{}) }

// set says what a binding waits for; nothing when there are no clusters. One that waits already keeps its turn.
func (w *waiting) set(binding types.NamespacedName, now wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.bindings[binding]
	for cluster := range before.clusters {
		delete(w.byCluster[cluster], binding)
		if len(w.byCluster[cluster]) == 0 {
			delete(w.byCluster, cluster)
		}
	}
	delete(w.bindings, binding)
	if len(now.clusters) == 0 {
		return
	}
	if now.turn = before.turn; now.turn == 0 {
		w.turns++
		now.turn = w.turns
	}
	w.bindings[binding] = now
	for cluster := range now.clusters {
		if w.byCluster[cluster] == nil {
			w.byCluster[cluster] = map[types.NamespacedName]bool{}
		}
		w.byCluster[cluster][binding] = true
	}
}

// helped are the bindings that room in a cluster helps, those of whose class more replicas fit now than when it was
// decided that they wait: the highest priority first, and then those that wait longest.
func (w *waiting) helped(cluster string, room func(*capacity.Class) int32) []waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	var helped []waiter
	rooms := map[string]int32{}
	for binding := range w.byCluster[cluster] {
		class := w.bindings[binding].class
		replicas, known := rooms[class.Key()]
		if !known {
			replicas = room(class)
			rooms[class.Key()] = replicas
		}
		if replicas > w.bindings[binding].clusters[cluster] {
			helped = append(helped, waiter{binding: binding, priority: w.bindings[binding].priority})
		}
	}
	slices.SortFunc(helped, func(a, b waiter) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(w.bindings[a.binding].turn, w.bindings[b.binding].turn))
	})
	return helped
}

// all are the bindings that wait.
func (w *waiting) all() []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]types.NamespacedName, 0, len(w.bindings))
	for binding := range w.bindings {
		all = append(all, binding)
	}
	return all
}

// fullClusters are those where more room would help a decision.
func fullClusters(d *schedule.Decision) []string {
	if d.Scheduled() && d.RetryAfter == 0 {
		return nil
	}
	var full []string
	for i := range d.Verdicts {
		if d.Verdicts[i].Full {
			full = append(full, d.Verdicts[i].Cluster)
		}
	}
	return full
}

// leftOver is the room that a decision left in clusters.
func leftOver(clusters []string, room map[string]schedule.Room, changes map[string]change) map[string]int32 {
	left := make(map[string]int32, len(clusters))
	for _, cluster := range clusters {
		left[cluster] = max(room[cluster].Replicas-max(changes[cluster].more, 0), 0)
	}
	return left
}
