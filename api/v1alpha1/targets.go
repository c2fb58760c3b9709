package v1alpha1

import (
	"slices"
	"strings"
)

// Targets is where a template goes or still is: the clusters that were decided for it, those that keep it until its
// replacement is ready, those of the templates that require it, and those in which it is preserved for one that is gone;
// these two have no replicas. It is ordered by name, unless there are only decided ones: then it is Clusters itself. It must
// not be changed.
func (s *BindingSpec) Targets() []TargetCluster {
	along := s.along()
	if len(s.Retained)+len(along) == 0 {
		return s.Clusters
	}
	targets := slices.Clone(s.Clusters)
	for i := range s.Retained {
		targets = append(targets, TargetCluster{Name: s.Retained[i].Name, Replicas: s.Retained[i].Replicas})
	}
	for _, cluster := range along {
		targets = append(targets, TargetCluster{Name: cluster})
	}
	// Stable, so that of two with one name the decided one, which comes first, stays.
	slices.SortStableFunc(targets, func(a, b TargetCluster) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(targets, func(a, b TargetCluster) bool { return a.Name == b.Name })
}

// Unplaced is how many replicas of a divided template no cluster has been given.
func (s *BindingSpec) Unplaced() int32 {
	if !s.Placement.Divides() || s.Replicas == nil {
		return 0
	}
	left := *s.Replicas
	for i := range s.Clusters {
		if s.Clusters[i].Replicas != nil {
			left -= *s.Clusters[i].Replicas
		}
	}
	return max(left, 0)
}

// HasTarget says whether Targets has a cluster.
func (s *BindingSpec) HasTarget(cluster string) bool {
	return s.Decides(cluster) || s.Retains(cluster) || slices.Contains(s.along(), cluster)
}

// Decides says whether the template was decided to be in a cluster.
func (s *BindingSpec) Decides(cluster string) bool {
	return slices.ContainsFunc(s.Clusters, func(t TargetCluster) bool { return t.Name == cluster })
}

// Retains says whether a cluster keeps what it has until its replacement is ready.
func (s *BindingSpec) Retains(cluster string) bool {
	return slices.ContainsFunc(s.Retained, func(r RetainedCluster) bool { return r.Name == cluster })
}

// along are the clusters that a template goes to because of others that require it, or did.
func (s *BindingSpec) along() []string {
	if s.divided() || len(s.RequiredBy)+len(s.PreservedIn) == 0 {
		return nil
	}
	var clusters []string
	for i := range s.RequiredBy {
		for j := range s.RequiredBy[i].Clusters {
			clusters = append(clusters, s.RequiredBy[i].Clusters[j].Name)
		}
	}
	return append(clusters, s.PreservedIn...)
}

// divided says whether a template's replicas add up to what it asks for, and have all been given to clusters already:
// one more cluster would hold all of them once more.
func (s *BindingSpec) divided() bool {
	return s.Placement.Divides() && (s.Replicas != nil || len(s.Components) > 0)
}

// Preserves says whether a cluster keeps its copy when the binding is deleted.
func (s *BindingSpec) Preserves(cluster string) bool {
	if s.PreserveResourcesOnDeletion != nil && *s.PreserveResourcesOnDeletion || slices.Contains(s.PreservedIn, cluster) {
		return true
	}
	return s.Attached() && slices.ContainsFunc(s.RequiredBy, func(owner BindingSnapshot) bool { return owner.PreserveResourcesOnDeletion })
}

// Attached says whether a template goes only where others that require it go: no policy decides about it.
func (s *BindingSpec) Attached() bool {
	return s.Policy == nil && s.Placement == nil
}
