package v1alpha1

import (
	"slices"
	"strings"
)

// Targets is where a template goes: the clusters that were decided for it, and those of the templates that require it,
// which have no replicas. It is ordered by name, unless nothing requires the template: then it is Clusters itself. It must
// not be changed.
func (s *BindingSpec) Targets() []TargetCluster {
	if len(s.RequiredBy) == 0 {
		return s.Clusters
	}
	targets := slices.Clone(s.Clusters)
	for i := range s.RequiredBy {
		for j := range s.RequiredBy[i].Clusters {
			targets = append(targets, TargetCluster{Name: s.RequiredBy[i].Clusters[j].Name})
		}
	}
	// Stable, so that of two with one name the decided one, which comes first, stays.
	slices.SortStableFunc(targets, func(a, b TargetCluster) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(targets, func(a, b TargetCluster) bool { return a.Name == b.Name })
}

// HasTarget says whether Targets has a cluster.
func (s *BindingSpec) HasTarget(cluster string) bool {
	named := func(target TargetCluster) bool { return target.Name == cluster }
	return slices.ContainsFunc(s.Clusters, named) ||
		slices.ContainsFunc(s.RequiredBy, func(owner BindingSnapshot) bool { return slices.ContainsFunc(owner.Clusters, named) })
}

// Attached says whether a template goes only where others that require it go: no policy decides about it.
func (s *BindingSpec) Attached() bool {
	return s.Policy == nil && s.Placement == nil
}
