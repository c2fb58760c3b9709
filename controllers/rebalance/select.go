package rebalance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

// Templates is the cache of the templates on the host; objectcache.Cache is one. It watches every kind that a
// binding names.
type Templates interface {
	Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error)
}

// targets are the templates of a request, each once: those that are named, and those that are selected. The error is
// objectcache.ErrNotSynced when the labels of some are not known yet.
func (r *Reconciler) targets(ctx context.Context, rebalancer *v1alpha1.WorkloadRebalancer, selector labels.Selector) ([]target, error) {
	var targets []target
	known := sets.New[types.NamespacedName]()
	for _, workload := range rebalancer.Spec.Workloads {
		key := workload.BindingKey()
		if known.Has(key) {
			continue
		}
		known.Insert(key)
		binding, err := r.binding(ctx, key)
		if err != nil {
			return nil, err
		}
		targets = append(targets, target{workload: workload, binding: binding})
	}
	selected, err := r.selected(ctx, rebalancer, selector)
	if err != nil {
		return nil, err
	}
	for _, binding := range selected {
		if !known.Has(client.ObjectKeyFromObject(binding)) {
			targets = append(targets, target{workload: referenceTo(binding), binding: binding})
		}
	}
	return targets, nil
}

// selected are the bindings of the templates that a request selects. They are the cache's own.
func (r *Reconciler) selected(ctx context.Context, rebalancer *v1alpha1.WorkloadRebalancer, selector labels.Selector) ([]v1alpha1.Binding, error) {
	if rebalancer.Spec.Selector == nil {
		return nil, nil
	}
	bindings, err := r.candidates(ctx, rebalancer.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("looking for the templates to rebalance: %w", err)
	}
	start := rebalancer.Status.StartTime.Time
	patient := r.clock.Since(start) < patience
	var selected []v1alpha1.Binding
	for _, binding := range bindings {
		if binding.GetCreationTimestamp().After(start) {
			continue // it is placed for the first time, by what is known now
		}
		matches, err := r.matches(binding, rebalancer.Spec.Selector, selector)
		if errors.Is(err, objectcache.ErrNotSynced) && !patient {
			continue // nobody knows its labels, and nobody may ever
		}
		if err != nil {
			return nil, err
		}
		if matches {
			selected = append(selected, binding)
		}
	}
	return selected, nil
}

// binding reads one binding of the cache; nil when there is none.
func (r *Reconciler) binding(ctx context.Context, key types.NamespacedName) (v1alpha1.Binding, error) {
	binding, err := hostindex.Binding(ctx, r.client, key)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading binding %s: %w", key, err)
	}
	return binding, nil
}

// candidates are the bindings that a selector can select.
func (r *Reconciler) candidates(ctx context.Context, s *v1alpha1.WorkloadSelector) ([]v1alpha1.Binding, error) {
	if s.APIVersion != "" && s.Kind != "" {
		return hostindex.Bindings(ctx, r.client, hostindex.ByKind, hostindex.KindValue(schema.FromAPIVersionAndKind(s.APIVersion, s.Kind)))
	}
	return hostindex.AllBindings(ctx, r.client)
}

// matches says whether a selector selects the template of a binding.
func (r *Reconciler) matches(b v1alpha1.Binding, s *v1alpha1.WorkloadSelector, selector labels.Selector) (bool, error) {
	resource := b.BindingSpec().Resource
	if s.APIVersion != "" && s.APIVersion != resource.APIVersion || s.Kind != "" && s.Kind != resource.Kind ||
		len(s.Namespaces) > 0 && !slices.Contains(s.Namespaces, resource.Namespace) {
		return false, nil
	}
	if selector.Empty() {
		return true, nil
	}
	template, found, err := r.templates.Get(resource.GroupVersionKind(), resource.Key())
	if err != nil {
		return false, fmt.Errorf("reading template %s %s: %w", resource.Kind, resource.Key(), err)
	}
	object, ok := template.(metav1.Object)
	return found && ok && selector.Matches(labels.Set(object.GetLabels())), nil
}

func referenceTo(b v1alpha1.Binding) v1alpha1.WorkloadReference {
	resource := b.BindingSpec().Resource
	return v1alpha1.WorkloadReference{
		APIVersion: resource.APIVersion, Kind: resource.Kind, Namespace: resource.Namespace, Name: resource.Name,
	}
}

// labelSelector parses a request's label selector; without one, everything matches.
func labelSelector(rebalancer *v1alpha1.WorkloadRebalancer) (labels.Selector, error) {
	if rebalancer.Spec.Selector == nil || rebalancer.Spec.Selector.LabelSelector == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(rebalancer.Spec.Selector.LabelSelector)
}

// syncRetry is when to look again for the labels of templates whose watch has not synced.
const syncRetry = time.Second
