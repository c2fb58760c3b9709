package execution

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/history"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
)

// named remembers, of bindings whose objects are in doubt or on the move, which clusters the host itself named after a gap. An object
// that the host has forgotten, in a cluster that its binding named after the gap and names no more, was moved by a decision that the host
// remembers. It is memory only: what is missing in it is left alone.
type named struct {
	mu       sync.Mutex
	bindings map[types.NamespacedName]naming
}

// naming is what is known of one binding.
type naming struct {
	// generation and newest are those of the binding, and the end of the last gap, that were looked at last.
	generation int64
	newest     time.Time
	// at is a time at which, or after which, the binding named a cluster.
	at map[string]time.Time
}

func newNamed() *named { return &named{bindings: map[types.NamespacedName]naming{}} }

// knows says whether a generation of a binding was looked at since the newest gap.
func (n *named) knows(binding types.NamespacedName, generation int64, newest time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.bindings[binding]
	return ok && known.generation == generation && known.newest.Equal(newest)
}

// note takes note of a binding as the host's API server has it, after the newest gap.
func (n *named) note(binding v1alpha1.Binding, newest time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := client.ObjectKeyFromObject(binding)
	known := naming{generation: binding.GetGeneration(), newest: newest, at: n.bindings[key].at}
	if known.at == nil {
		known.at = map[string]time.Time{}
	}
	spec := binding.BindingSpec()
	for _, target := range spec.Targets() {
		at := newest
		if spec.Retains(target.Name) && !spec.Decides(target.Name) {
			at = retainedSince(spec, target.Name) // the decision against it may be older than the gap
		}
		if at.After(known.at[target.Name]) {
			known.at[target.Name] = at
		}
	}
	n.bindings[key] = known
}

func retainedSince(spec *v1alpha1.BindingSpec, cluster string) time.Time {
	for i := range spec.Retained {
		if spec.Retained[i].Name == cluster {
			return spec.Retained[i].Since.Time
		}
	}
	return time.Time{}
}

// after says whether a binding is known to have named a cluster after a gap.
func (n *named) after(gap history.Gap, binding types.NamespacedName, cluster string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.bindings[binding].at[cluster]
	return ok && gap.Ordered(at)
}

// forget drops what is known of a binding in a cluster that holds nothing because of it any more.
func (n *named) forget(binding types.NamespacedName, cluster string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.bindings[binding]
	if !ok {
		return
	}
	if delete(known.at, cluster); len(known.at) == 0 {
		delete(n.bindings, binding)
	}
}

// drop forgets a binding that is gone.
func (n *named) drop(binding types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.bindings, binding)
}

// leavesUnseen says whether a binding leaves a cluster that is not connected: nobody can tell whether what it holds is in doubt.
func (d *dispatcher) leavesUnseen(spec *v1alpha1.BindingSpec) bool {
	if len(spec.Retained) == 0 {
		return false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.ContainsFunc(spec.Retained, func(r v1alpha1.RetainedCluster) bool { return d.workers[r.Name] == nil })
}

// noteNamed takes note of the clusters that a binding names, where an object of it is in doubt, or a cluster is being left that may hold
// one. It reads the host's API server: a cache may be from before the host was restored.
func (w *worker) noteNamed(ctx context.Context, binding v1alpha1.Binding, doubtful bool) error {
	if w.Memory == nil || !doubtful && !w.leavesUnseen(binding.BindingSpec()) {
		return nil
	}
	gaps := w.Memory.Gaps()
	if len(gaps) == 0 {
		return nil
	}
	key, newest := client.ObjectKeyFromObject(binding), gaps[len(gaps)-1].To
	if w.named.knows(key, binding.GetGeneration(), newest) {
		return nil
	}
	live, err := hostindex.Binding(ctx, w.mgr.GetAPIReader(), key)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading which clusters binding %s names: %w", key, err)
	}
	if live.GetDeletionTimestamp() == nil {
		w.named.note(live, newest)
	}
	return nil
}
