package scheduling

import (
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
}

// wait is what one binding waits for.
type wait struct {
	class    *capacity.Class
	clusters []string
}

func newWaiting() *waiting {
	return &waiting{bindings: map[types.NamespacedName]wait{}, byCluster: map[string]map[types.NamespacedName]bool{}}
}

// set says where more room would help a binding; nowhere when there are no clusters.
func (w *waiting) set(binding types.NamespacedName, class *capacity.Class, clusters []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, cluster := range w.bindings[binding].clusters {
		delete(w.byCluster[cluster], binding)
		if len(w.byCluster[cluster]) == 0 {
			delete(w.byCluster, cluster)
		}
	}
	delete(w.bindings, binding)
	if len(clusters) == 0 {
		return
	}
	w.bindings[binding] = wait{class: class, clusters: clusters}
	for _, cluster := range clusters {
		if w.byCluster[cluster] == nil {
			w.byCluster[cluster] = map[types.NamespacedName]bool{}
		}
		w.byCluster[cluster][binding] = true
	}
}

// helped are the bindings that room in a cluster helps: those of whose class at least one replica fits now.
func (w *waiting) helped(cluster string, fits func(*capacity.Class) bool) []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	var helped []types.NamespacedName
	asked := map[string]bool{}
	for binding := range w.byCluster[cluster] {
		class := w.bindings[binding].class
		fit, known := asked[class.Key()]
		if !known {
			fit = fits(class)
			asked[class.Key()] = fit
		}
		if fit {
			helped = append(helped, binding)
		}
	}
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
