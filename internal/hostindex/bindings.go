package hostindex

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Index is a way to look bindings up.
type Index string

const (
	// ByCluster finds the bindings that name a cluster in spec.clusters, spec.requiredBy or status.aggregatedStatus.
	ByCluster Index = "bindingByCluster"
	// ByKind finds the bindings whose template is of a kind; the value is KindValue's.
	ByKind Index = "bindingByKind"
	// ByPolicy finds the bindings that a policy governs; the value is PolicyValue's.
	ByPolicy Index = "bindingByPolicy"
	// ByAffinityGroup finds the bindings that stay together with others of their namespace; the value is
	// GroupValue's of spec.workloadAffinityGroups.affinityGroup.
	ByAffinityGroup Index = "bindingByAffinityGroup"
	// ByAntiAffinityGroup finds the bindings that stay apart from others of their namespace; the value is
	// GroupValue's of spec.workloadAffinityGroups.antiAffinityGroup.
	ByAntiAffinityGroup Index = "bindingByAntiAffinityGroup"
	// ByOwner finds the bindings that another one requires: those that it is listed in spec.requiredBy of. The value is
	// OwnerValue's.
	ByOwner Index = "bindingByOwner"
	// Limited finds the bindings that have spec.replicaLimits; the value is LimitedValue.
	Limited Index = "bindingLimited"
	// Evicting finds the bindings that have spec.gracefulEvictionTasks; the value is EvictingValue.
	Evicting Index = "bindingEvicting"
	// Ailing finds the bindings with spec.failover.application whose application is unhealthy in a cluster; the value is
	// AilingValue.
	Ailing Index = "bindingAiling"
)

// KindValue is the value of ByKind for a kind.
func KindValue(gvk schema.GroupVersionKind) string {
	return gvk.GroupVersion().String() + "/" + gvk.Kind
}

// PolicyValue is the value of ByPolicy for a policy; namespace is empty for a ClusterPropagationPolicy.
func PolicyValue(namespace, name string) string { return namespace + "/" + name }

// GroupValue is the value of ByAffinityGroup and ByAntiAffinityGroup for a group such as "app=shop" in a namespace;
// namespace is empty for the groups of cluster-scoped templates.
func GroupValue(namespace, group string) string { return namespace + "/" + group }

// OwnerValue is the value of ByOwner for the binding that requires others.
func OwnerValue(namespace, name string) string { return namespace + "/" + name }

// LimitedValue is the only value of Limited.
const LimitedValue = "true"

// EvictingValue is the only value of Evicting.
const EvictingValue = "true"

// AilingValue is the only value of Ailing.
const AilingValue = "true"

// Register adds the indexes to a cache. Call it once, before the cache starts.
func Register(ctx context.Context, indexer client.FieldIndexer) error {
	for _, twin := range []client.Object{&v1alpha1.ResourceBinding{}, &v1alpha1.ClusterResourceBinding{}} {
		for index, values := range map[Index]func(v1alpha1.Binding) []string{
			ByCluster: clusterValues, ByKind: kindValues, ByPolicy: policyValues,
			ByAffinityGroup: affinityValues, ByAntiAffinityGroup: antiAffinityValues,
			Limited: limitedValues, ByOwner: ownerValues, Evicting: evictingValues, Ailing: ailingValues,
		} {
			if err := indexer.IndexField(ctx, twin, string(index), Extract(values)); err != nil {
				return fmt.Errorf("indexing %T by %s: %w", twin, index, err)
			}
		}
	}
	return nil
}

// Extract turns a function on bindings into one on any object, as caches want it.
func Extract(values func(v1alpha1.Binding) []string) client.IndexerFunc {
	return func(obj client.Object) []string {
		binding, ok := obj.(v1alpha1.Binding)
		if !ok {
			return nil
		}
		return values(binding)
	}
}

func clusterValues(b v1alpha1.Binding) []string {
	names := sets.New[string]()
	for _, target := range b.BindingSpec().Targets() {
		names.Insert(target.Name)
	}
	for _, item := range b.BindingStatus().AggregatedStatus {
		names.Insert(item.ClusterName)
	}
	return names.UnsortedList()
}

func kindValues(b v1alpha1.Binding) []string {
	return []string{KindValue(b.BindingSpec().Resource.GroupVersionKind())}
}

func policyValues(b v1alpha1.Binding) []string {
	policy := b.BindingSpec().Policy
	if policy == nil {
		return nil
	}
	return []string{PolicyValue(policy.Namespace, policy.Name)}
}

func affinityValues(b v1alpha1.Binding) []string {
	groups := b.BindingSpec().WorkloadAffinityGroups
	if groups == nil || groups.AffinityGroup == "" {
		return nil
	}
	return []string{GroupValue(b.GetNamespace(), groups.AffinityGroup)}
}

func antiAffinityValues(b v1alpha1.Binding) []string {
	groups := b.BindingSpec().WorkloadAffinityGroups
	if groups == nil || groups.AntiAffinityGroup == "" {
		return nil
	}
	return []string{GroupValue(b.GetNamespace(), groups.AntiAffinityGroup)}
}

func ownerValues(b v1alpha1.Binding) []string {
	required := b.BindingSpec().RequiredBy
	values := make([]string, len(required))
	for i := range required {
		values[i] = OwnerValue(required[i].Namespace, required[i].Name)
	}
	return values
}

func limitedValues(b v1alpha1.Binding) []string {
	if len(b.BindingSpec().ReplicaLimits) == 0 {
		return nil
	}
	return []string{LimitedValue}
}

func evictingValues(b v1alpha1.Binding) []string {
	if len(b.BindingSpec().GracefulEvictionTasks) == 0 {
		return nil
	}
	return []string{EvictingValue}
}

func ailingValues(b v1alpha1.Binding) []string {
	failover := b.BindingSpec().Failover
	if failover == nil || failover.Application == nil {
		return nil
	}
	items := b.BindingStatus().AggregatedStatus
	for i := range items {
		if items[i].UnhealthySince != nil {
			return []string{AilingValue}
		}
	}
	return nil
}

// Bindings lists the bindings of both twins that an index finds. They are the cache's own: copy before
// changing.
func Bindings(ctx context.Context, c client.Reader, index Index, value string) ([]v1alpha1.Binding, error) {
	return list(ctx, c, client.MatchingFields{string(index): value})
}

// AllBindings lists every binding of both twins. They are the cache's own: copy before changing.
func AllBindings(ctx context.Context, c client.Reader) ([]v1alpha1.Binding, error) {
	return list(ctx, c)
}

// BindingsOf lists the bindings of a namespace; without one, every binding of both twins. They are the cache's own.
func BindingsOf(ctx context.Context, c client.Reader, namespace string) ([]v1alpha1.Binding, error) {
	if namespace == "" {
		return AllBindings(ctx, c)
	}
	var list v1alpha1.ResourceBindingList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing resource bindings: %w", err)
	}
	bindings := make([]v1alpha1.Binding, len(list.Items))
	for i := range list.Items {
		bindings[i] = &list.Items[i]
	}
	return bindings, nil
}

func list(ctx context.Context, c client.Reader, opts ...client.ListOption) ([]v1alpha1.Binding, error) {
	opts = append(opts, client.UnsafeDisableDeepCopy)
	var namespaced v1alpha1.ResourceBindingList
	if err := c.List(ctx, &namespaced, opts...); err != nil {
		return nil, fmt.Errorf("listing resource bindings: %w", err)
	}
	var global v1alpha1.ClusterResourceBindingList
	if err := c.List(ctx, &global, opts...); err != nil {
		return nil, fmt.Errorf("listing cluster resource bindings: %w", err)
	}
	bindings := make([]v1alpha1.Binding, 0, len(namespaced.Items)+len(global.Items))
	for i := range namespaced.Items {
		bindings = append(bindings, &namespaced.Items[i])
	}
	for i := range global.Items {
		bindings = append(bindings, &global.Items[i])
	}
	return bindings, nil
}

// Binding reads one binding: a ClusterResourceBinding when the key has no namespace. It returns the
// reader's error as it is, so that callers can tell NotFound.
func Binding(ctx context.Context, c client.Reader, key types.NamespacedName) (v1alpha1.Binding, error) {
	binding := v1alpha1.NewBinding(key.Namespace)
	if err := c.Get(ctx, key, binding); err != nil {
		return nil, err
	}
	return binding, nil
}
