package dependencies

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// isOwner says whether what a binding's template needs goes along with it.
func isOwner(binding v1alpha1.Binding) bool {
	return binding.GetNamespace() != "" && binding.BindingSpec().PropagateDeps
}

// entryOf is what an owner asks of what it requires. before is what it asked so far; nil for nothing.
func entryOf(owner v1alpha1.Binding, before *v1alpha1.BindingSnapshot) v1alpha1.BindingSnapshot {
	spec := owner.BindingSpec()
	entry := v1alpha1.BindingSnapshot{
		Namespace: owner.GetNamespace(), Name: owner.GetName(),
		PreserveResourcesOnDeletion: ptr.Deref(spec.PreserveResourcesOnDeletion, false),
	}
	if spec.ConflictResolution == v1alpha1.ConflictOverwrite {
		entry.ConflictResolution = v1alpha1.ConflictOverwrite
	}
	for _, target := range spec.Clusters {
		entry.Clusters = append(entry.Clusters, v1alpha1.TargetCluster{Name: target.Name})
	}
	for i := range spec.Retained { // what is moved away still runs there
		if name := spec.Retained[i].Name; !spec.Decides(name) {
			entry.Clusters = append(entry.Clusters, v1alpha1.TargetCluster{Name: name})
		}
	}
	if before != nil {
		entry.Clusters = append(entry.Clusters, leaving(owner, before)...)
	}
	slices.SortFunc(entry.Clusters, func(a, b v1alpha1.TargetCluster) int { return strings.Compare(a.Name, b.Name) })
	return entry
}

// lastEntryOf is what an owner that is being deleted asks: what it asked so far, where it is. Only whether that is preserved may have
// been told at last.
func lastEntryOf(preserve bool, before v1alpha1.BindingSnapshot) v1alpha1.BindingSnapshot {
	before.PreserveResourcesOnDeletion = preserve
	return before
}

// leaving are the clusters of an entry that its owner is to leave and still has something in. Where the owner stays for
// others it does not leave; and no cluster comes back, so that owners that require each other come to an end.
func leaving(owner v1alpha1.Binding, before *v1alpha1.BindingSnapshot) []v1alpha1.TargetCluster {
	held := map[string]bool{}
	for i := range owner.BindingStatus().AggregatedStatus {
		held[owner.BindingStatus().AggregatedStatus[i].ClusterName] = true
	}
	var clusters []v1alpha1.TargetCluster
	for _, target := range before.Clusters {
		if held[target.Name] && !owner.BindingSpec().HasTarget(target.Name) {
			clusters = append(clusters, v1alpha1.TargetCluster{Name: target.Name})
		}
	}
	return clusters
}

// entryIn finds an owner's entry; nil when there is none.
func entryIn(required []v1alpha1.BindingSnapshot, namespace, name string) *v1alpha1.BindingSnapshot {
	for i := range required {
		if required[i].Namespace == namespace && required[i].Name == name {
			return &required[i]
		}
	}
	return nil
}

// replaced is a list with an owner's entry, in order. One without clusters is taken out. The list given stays as it is.
func replaced(required []v1alpha1.BindingSnapshot, entry v1alpha1.BindingSnapshot) []v1alpha1.BindingSnapshot {
	list := make([]v1alpha1.BindingSnapshot, 0, len(required)+1)
	for i := range required {
		if required[i].Namespace != entry.Namespace || required[i].Name != entry.Name {
			list = append(list, required[i])
		}
	}
	if len(entry.Clusters) > 0 {
		list = append(list, entry)
	}
	slices.SortFunc(list, func(a, b v1alpha1.BindingSnapshot) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return list
}

// claims are what dependencies says in one binding: who requires the object, and where it is preserved for owners that are
// gone.
type claims struct {
	required  []v1alpha1.BindingSnapshot
	preserved []string
}

func claimsOf(binding v1alpha1.Binding) claims {
	spec := binding.BindingSpec()
	return claims{required: spec.RequiredBy, preserved: spec.PreservedIn}
}

func (c claims) equal(other claims) bool {
	return equality.Semantic.DeepEqual(c.required, other.required) && slices.Equal(c.preserved, other.preserved)
}

// inherit is where the object is preserved once an owner is gone: if the clusters of the owner keep what it was, they keep
// what it brought along, wherever others that require the object go afterwards.
func (c claims) inherit(owner v1alpha1.BindingSnapshot) []string {
	if !owner.PreserveResourcesOnDeletion {
		return c.preserved
	}
	clusters := slices.Clone(c.preserved)
	for _, target := range owner.Clusters {
		clusters = append(clusters, target.Name)
	}
	slices.Sort(clusters)
	return slices.Compact(clusters)
}
