package aggregation

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/proof"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// notSyncedRetry is when to look again for a template whose kind is still being listed.
const notSyncedRetry = 5 * time.Second

// unseenRetry is when to look again for a Cluster that the host has and the cache does not show: it may go without the watch telling.
const unseenRetry = 15 * time.Second

// facts is everything that is looked at for one binding.
type facts struct {
	// binding is a copy.
	binding v1alpha1.Binding
	// reports are what members say, by member; after a restart some are still missing.
	reports map[string]report.Report
	// ready has every member that may hold a copy and exists, and says whether it is ready.
	ready map[string]bool
	// template is the cache's own; nil when it is gone or not known yet.
	template *unstructured.Unstructured
	// wrapper is the cache's own; nil for a native template.
	wrapper *unstructured.Unstructured
	// owned is true when the template's status is ours to write: it lies in a template namespace, or is wrapped.
	owned bool
	// now is the time of transitions.
	now time.Time
	// again is when to look again because something was not known yet; zero for never.
	again time.Duration
}

func (r *Reconciler) gather(ctx context.Context, binding v1alpha1.Binding) (facts, error) {
	f := facts{
		binding: binding,
		reports: r.Board.Reports(client.ObjectKeyFromObject(binding)),
		ready:   map[string]bool{},
		now:     r.Clock.Now(),
	}
	if err := r.members(ctx, &f); err != nil {
		return facts{}, err
	}
	resource := binding.BindingSpec().Resource
	obj, found, err := r.Templates.Get(resource.GroupVersionKind(), resource.Key())
	if errors.Is(err, objectcache.ErrNotSynced) {
		f.again = notSyncedRetry // sooner than unseenRetry
		return f, nil
	}
	if err != nil {
		return facts{}, fmt.Errorf("finding template %s: %w", resource.Key(), err)
	}
	if template, ok := obj.(*unstructured.Unstructured); found && ok {
		f.template = template
	}
	f.wrapper, err = r.Templates.Wrapper(resource.GroupVersionKind(), resource.Key())
	if err != nil {
		return facts{}, fmt.Errorf("finding what template %s is wrapped in: %w", resource.Key(), err)
	}
	if f.wrapper != nil {
		f.owned = f.template != nil && f.template.GetUID() == f.wrapper.GetUID()
		return f, nil
	}
	f.owned, err = r.ownsStatus(ctx, resource.Namespace)
	return f, err
}

// members finds out which members there are. Of one that is left and still holds a copy nothing but the status says so: before that is
// struck the host is asked, since a cache that does not show a Cluster may be behind.
func (r *Reconciler) members(ctx context.Context, f *facts) error {
	var clusters v1alpha1.ClusterList
	if err := r.client.List(ctx, &clusters, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing clusters: %w", err)
	}
	for i := range clusters.Items {
		f.ready[clusters.Items[i].Name] = ready(&clusters.Items[i])
	}
	for name := range leaving(*f) {
		if _, exists := f.ready[name]; exists {
			continue
		}
		cluster, _, err := proof.Cluster(ctx, r.client, r.live, name)
		if err != nil {
			return err
		}
		if cluster != nil {
			f.ready[name], f.again = ready(cluster), unseenRetry
		}
	}
	return nil
}

// ownsStatus says whether the status of a namespace's templates is ours: elsewhere the host's own controllers
// write it, because the template also runs there.
func (r *Reconciler) ownsStatus(ctx context.Context, name string) (bool, error) {
	if name == "" {
		return false, nil
	}
	var namespace corev1.Namespace
	err := r.client.Get(ctx, client.ObjectKey{Name: name}, &namespace, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return namespace.Labels[v1alpha1.TemplatesLabel] == v1alpha1.TemplatesEnabled, nil
}

// holder is the object on the host that has the template's status.
func (f facts) holder() *unstructured.Unstructured {
	if f.wrapper != nil {
		return f.wrapper
	}
	return f.template
}

// holderStatus is the whole status of the holder once the template's is what is given: a wrapper's has more to it.
func (f facts) holderStatus(template map[string]any) map[string]any {
	if f.wrapper == nil {
		return template
	}
	status, _, _ := unstructured.NestedMap(f.wrapper.Object, "status") // a copy
	if status == nil {
		status = map[string]any{}
	}
	status["manifest"] = template
	return status
}
