package execution

import (
	"context"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/history"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

// recheckForgotten is how often an object that the host has forgotten is looked at again: somebody may have said that what the
// host holds is right, by ending the gap.
const recheckForgotten = 15 * time.Second

// Memory is what the host remembers of its own past; journal.Journal is one.
type Memory interface {
	// Renewed is the lease renewal that writes rely on now; zero where there is no lease.
	Renewed() time.Time
	// Gaps are the times of which the host remembers nothing.
	Gaps() history.Gaps
}

// stamped is a manifest with the mark that says when, and from what, it is written.
func (w *worker) stamped(j job, content map[string]any) *unstructured.Unstructured {
	manifest, mark := &unstructured.Unstructured{Object: content}, w.mark(j)
	if mark == "" {
		return manifest
	}
	manifest = manifest.DeepCopy()
	annotations := manifest.GetAnnotations()
	annotations[v1alpha1.WrittenAnnotation] = mark
	manifest.SetAnnotations(annotations)
	return manifest
}

// mark says when the manifest was written, and from what. The same one that is written once more, to put a drift back or to ask
// what the member makes of it, keeps the mark that it has: a new one would change the object. It is empty where there is no lease.
func (w *worker) mark(j job) string {
	if w.Memory == nil || w.Memory.Renewed().IsZero() {
		return ""
	}
	live, version := liveOf(j.observed), versionOf(j.binding, j.template)
	_, lost := w.forgotten(live, version)
	if live != nil && live.Ours && live.Hash == j.rendered.Hash && live.Written != "" && !lost {
		return live.Written
	}
	return history.Stamp{At: w.Memory.Renewed(), Version: version, Era: w.Memory.Gaps().Era()}.String()
}

// versionOf is what an object is made from; either may be nil.
func versionOf(binding v1alpha1.Binding, template *unstructured.Unstructured) history.Version {
	version := history.Version{}
	if binding != nil {
		version.Binding = binding.GetGeneration()
	}
	if template == nil {
		return version
	}
	if version.Template = template.GetGeneration(); version.Template == 0 {
		// A resource version that is no number is left out: etcd's are.
		version.Template, _ = strconv.ParseInt(template.GetResourceVersion(), 10, 64)
	}
	return version
}

// forgotten is the gap in which an object was written that the host has forgotten.
func (w *worker) forgotten(live *applyplan.Live, now history.Version) (history.Gap, bool) {
	if w.Memory == nil || live == nil || !live.Ours {
		return history.Gap{}, false
	}
	gaps := w.Memory.Gaps()
	if len(gaps) == 0 {
		return history.Gap{}, false
	}
	stamp, ok := history.ParseStamp(live.Written)
	if !ok {
		return history.Gap{}, false // an older version of Flotilla wrote it, before there was a gap
	}
	return gaps.Lost(stamp, now)
}

// doubtful says whether a forgotten object may be newer than what the host would apply: unless somebody has changed the template
// since the host was restored.
func (w *worker) doubtful(ctx context.Context, j job) (bool, error) {
	gap, lost := w.forgotten(liveOf(j.observed), versionOf(j.binding, j.template))
	if err := w.noteNamed(ctx, j.binding, lost); err != nil || !lost {
		return false, err
	}
	if confirmed, err := w.confirmed(ctx, gap); err != nil || confirmed {
		return false, err
	}
	changed, err := w.templateChangedAt(ctx, j.binding.BindingSpec().Resource)
	if err != nil {
		return false, err
	}
	return !gap.Ordered(changed), nil
}

// templateChangedAt reads from the host's API server when somebody changed a template last; changes of its status do not count.
func (w *worker) templateChangedAt(ctx context.Context, resource v1alpha1.ObjectReference) (time.Time, error) {
	template := &metav1.PartialObjectMetadata{}
	template.SetGroupVersionKind(resource.GroupVersionKind())
	key := resource.Key()
	if resource.Wrapper != "" {
		template.SetGroupVersionKind(v1alpha1.WrapperKind(resource.Namespace))
		key.Name = resource.Wrapper
	}
	if err := w.mgr.GetAPIReader().Get(ctx, key, template); err != nil {
		return time.Time{}, fmt.Errorf("reading when %s %s was changed: %w", resource.Kind, key, err)
	}
	return history.LastChange(template), nil
}

// mayGo says whether an object that is not wanted may go: it is remembered, or its end was decided after the host was restored. That is
// so when the template or the Cluster was deleted since, and when the binding named the cluster since and names it no more.
func (w *worker) mayGo(ctx context.Context, key types.NamespacedName, binding v1alpha1.Binding, observed *membercluster.Observed) (bool, error) {
	gap, lost := w.forgotten(liveOf(observed), versionOf(binding, nil))
	if !lost || w.named.after(gap, key, w.member.Name) {
		return true, nil
	}
	if confirmed, err := w.confirmed(ctx, gap); err != nil || confirmed {
		return confirmed, err
	}
	// The cache is asked first, because it is asked often; alone it proves nothing, as it may be from before the host was restored.
	if ordered, err := w.endOrdered(ctx, w.host, key, gap); err != nil || !ordered {
		return false, err
	}
	return w.endOrdered(ctx, w.mgr.GetAPIReader(), key, gap)
}

// confirmed says whether somebody has said after a gap that what the host holds is right for this member.
func (w *worker) confirmed(ctx context.Context, gap history.Gap) (bool, error) {
	cluster := &v1alpha1.Cluster{}
	for _, host := range []client.Reader{w.host, w.mgr.GetAPIReader()} { // first the cache, as above
		*cluster = v1alpha1.Cluster{}
		if err := host.Get(ctx, client.ObjectKey{Name: w.member.Name}, cluster); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		if _, said := cluster.Annotations[v1alpha1.ConfirmedAnnotation]; !said {
			return false, nil
		}
	}
	return gap.Ordered(history.Confirmed(cluster)), nil
}

// endOrdered says whether a binding, or the member's Cluster, was deleted after a gap.
func (w *worker) endOrdered(ctx context.Context, host client.Reader, key types.NamespacedName, gap history.Gap) (bool, error) {
	binding, err := hostindex.Binding(ctx, host, key)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading when binding %s was deleted: %w", key, err)
	}
	if err == nil && orderedAfter(binding, gap) {
		return true, nil
	}
	cluster := &v1alpha1.Cluster{}
	if err := host.Get(ctx, client.ObjectKey{Name: w.member.Name}, cluster); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return orderedAfter(cluster, gap), nil
}

func orderedAfter(obj client.Object, gap history.Gap) bool {
	ordered := obj.GetDeletionTimestamp()
	return ordered != nil && gap.Ordered(ordered.Time)
}
