package policymatch

import (
	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// AffinityGroups are the workload affinity groups that a template belongs to by its labels; nil for none. A template
// without the label belongs to no group. placement may be nil.
func AffinityGroups(placement *v1alpha1.Placement, labels map[string]string) *v1alpha1.WorkloadAffinityGroups {
	if placement == nil || placement.WorkloadAffinity == nil {
		return nil
	}
	groups := v1alpha1.WorkloadAffinityGroups{
		AffinityGroup:     affinityGroup(placement.WorkloadAffinity.Affinity, labels),
		AntiAffinityGroup: affinityGroup(placement.WorkloadAffinity.AntiAffinity, labels),
	}
	if groups == (v1alpha1.WorkloadAffinityGroups{}) {
		return nil
	}
	return &groups
}

func affinityGroup(term *v1alpha1.WorkloadAffinityTerm, labels map[string]string) string {
	if term == nil {
		return ""
	}
	value, labelled := labels[term.GroupByLabelKey]
	if !labelled {
		return ""
	}
	return term.GroupByLabelKey + "=" + value
}
