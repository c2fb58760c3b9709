package handover

import (
	"maps"
	"slices"
	"strings"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// handOver gives the state of copies that are left to the clusters that are new, and lets those that have some keep it.
func (p *planner) handOver() {
	labels, annotations := p.preserved()
	for i := range p.plan.Clusters {
		target := &p.plan.Clusters[i]
		if had := find(p.f.Spec.Clusters, target.Name); had != nil {
			target.PreservedLabelState, target.PreservedAnnotationState = had.PreservedLabelState, had.PreservedAnnotationState
			continue
		}
		target.PreservedLabelState, target.PreservedAnnotationState = labels, annotations
	}
}

// preserved is what the tasks for clusters that are left hand over; where several name the same, the one that was made
// last.
func (p *planner) preserved() (labels, annotations map[string]string) {
	tasks := slices.Clone(p.f.Spec.GracefulEvictionTasks)
	slices.SortStableFunc(tasks, func(a, b v1alpha1.GracefulEvictionTask) int {
		if a.CreationTimestamp == nil || b.CreationTimestamp == nil {
			return 0
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	for i := range tasks {
		if find(p.plan.Clusters, tasks[i].FromCluster) != nil {
			continue
		}
		labels = merged(labels, tasks[i].PreservedLabelState)
		annotations = merged(annotations, tasks[i].PreservedAnnotationState)
	}
	return labels, annotations
}

func merged(into, more map[string]string) map[string]string {
	if len(more) == 0 {
		return into
	}
	if into == nil {
		into = map[string]string{}
	}
	maps.Copy(into, more)
	return into
}

func byName(a, b v1alpha1.TargetCluster) int { return strings.Compare(a.Name, b.Name) }
