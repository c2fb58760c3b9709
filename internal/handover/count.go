package handover

import (
	"slices"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// units is how much of the template a cluster has: its replicas, or 1 for a template without a number of them.
func units(replicas *int32) int64 {
	if replicas == nil {
		return 1
	}
	return int64(*replicas)
}

func total(targets []v1alpha1.TargetCluster) (sum int64) {
	for i := range targets {
		sum += units(targets[i].Replicas)
	}
	return sum
}

// find is the target of a name; nil when there is none.
func find(targets []v1alpha1.TargetCluster, name string) *v1alpha1.TargetCluster {
	i := slices.IndexFunc(targets, func(t v1alpha1.TargetCluster) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &targets[i]
}

// in is how much of the template a list gives a cluster.
func in(targets []v1alpha1.TargetCluster, name string) int64 {
	if t := find(targets, name); t != nil {
		return units(t.Replicas)
	}
	return 0
}

// reported is how much a member said to have ready, of a template of which it has so much; known is false when it said
// nothing that holds.
func reported(reports []v1alpha1.AggregatedStatusItem, cluster string, has int64) (ready int64, known bool) {
	i := slices.IndexFunc(reports, func(r v1alpha1.AggregatedStatusItem) bool { return r.ClusterName == cluster })
	if i < 0 {
		return 0, false
	}
	r := &reports[i]
	switch {
	case r.Health == v1alpha1.HealthUnknown || r.Health == "":
		return 0, false
	case r.ReadyReplicas != nil:
		return int64(*r.ReadyReplicas), true
	case r.Health == v1alpha1.Healthy && r.Applied:
		return has, true
	}
	return 0, true
}

// applied says whether a member reported that it holds what the host wants there.
func applied(reports []v1alpha1.AggregatedStatusItem, cluster string) bool {
	return slices.ContainsFunc(reports, func(r v1alpha1.AggregatedStatusItem) bool { return r.ClusterName == cluster && r.Applied })
}

// proven adds up what is ready in members that were asked just now, in none of them more than it should have.
func (f *Facts) proven(targets []v1alpha1.TargetCluster) (sum int64) {
	for i := range targets {
		sum += min(int64(max(f.Fresh[targets[i].Name], 0)), units(targets[i].Replicas))
	}
	return sum
}
