package v1alpha1

import (
	"slices"
	"strings"
)

// Targets is where a template goes or still is: the clusters that were decided for it, those that keep it until its
// replacement is ready, and those of the templates that require it, which have no replicas. It is ordered by name, unless
// there are only the decided ones: then it is Clusters itself. It must not be changed.
func (s *BindingSpec) Targets() []TargetCluster {
	if len(s.Retained) == 0 && len(s.requirers()) == 0 {
		return s.Clusters
	}
	targets := slices.Clone(s.Clusters)
	for i := range s.Retained {
		targets = append(targets, TargetCluster{Name: s.Retained[i].Name, Replicas: s.Retained[i].Replicas})
	}
	for _, owner := range s.requirers() {
		for j := range owner.Clusters {
			targets = append(targets, TargetCluster{Name: owner.Clusters[j].Name})
		}
	}
	// Stable, so that of two with one name the decided one, which comes first, stays.
	slices.SortStableFunc(targets, func(a, b TargetCluster) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(targets, func(a, b TargetCluster) bool { return a.Name == b.Name })
}

// requirers are the templates in whose clusters this one goes too. Replicas that are divided go nowhere else: they would
// no longer add up to the template's.
func (s *BindingSpec) requirers() []BindingSnapshot {
	if s.Replicas != nil && s.Placement.Divides() {
		return nil
	}
	return s.RequiredBy
}

// HasTarget says whether Targets has a cluster.
func (s *BindingSpec) HasTarget(cluster string) bool {
	named := func(target TargetCluster) bool { return target.Name == cluster }
	return slices.ContainsFunc(s.Clusters, named) || s.Retains(cluster) ||
		slices.ContainsFunc(s.requirers(), func(owner BindingSnapshot) bool { return slices.ContainsFunc(owner.Clusters, named) })
}

// Retains says whether a cluster keeps what it has until its replacement is ready.
func (s *BindingSpec) Retains(cluster string) bool {
	return slices.ContainsFunc(s.Retained, func(r RetainedCluster) bool { return r.Name == cluster })
}

// Attached says whether a template goes only where others that require it go: no policy decides about it.
func (s *BindingSpec) Attached() bool {
	return s.Policy == nil && s.Placement == nil
}
