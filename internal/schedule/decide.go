package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Input is what a decision depends on. Nothing of it is changed.
type Input struct {
	// Binding is the template's binding: its placement, replicas and current clusters.
	Binding *v1alpha1.BindingSpec
	// Clusters are all clusters that exist, in any order.
	Clusters []*v1alpha1.Cluster
	// Memory is what the last decision remembered; the zero value when there was none.
	Memory Memory
	// Room is how many more replicas each cluster has room for. A cluster that is missing in it has endless
	// room. Only needed when UsesRoom.
	Room map[string]Room
	// Neighbours are the other templates of the binding's workload affinity groups.
	Neighbours Neighbours
	// Now is the time that failback's stabilization is measured by.
	Now time.Time
}

// Room is what a cluster has room for, beside what runs there already.
type Room struct {
	// Replicas is how many more replicas fit, or sets of all components for a workload with several.
	Replicas int32
	// Shortage is what one more replica lacks first; it completes "The cluster had ...", as in "too little cpu".
	Shortage string
}

// Neighbours are where the other templates of a binding's workload affinity groups are.
type Neighbours struct {
	// Together are the clusters of each scheduled template of the affinity group.
	Together []Neighbour
	// Apart are the clusters of each scheduled template of the anti-affinity group.
	Apart []Neighbour
}

// Neighbour is one template of a group.
type Neighbour struct {
	// Name tells people which one, such as "Deployment shop/web".
	Name string
	// Clusters are where it is, by name.
	Clusters []string
}

// Decision is where a template goes.
type Decision struct {
	// Clusters is what the binding's spec.clusters should be, by name.
	Clusters []v1alpha1.TargetCluster
	// Pending is how many replicas found no room.
	Pending int32
	// Trigger is one of the Trigger constants: why the old placement was not simply kept. TriggerNone when it was.
	Trigger string
	// Reason is a reason of the condition Scheduled. Only ReasonScheduled means that the placement's rules
	// hold and every replica is placed.
	Reason string
	// Message says more, for people.
	Message string
	// Group is the affinity group of the decision; empty without clusterAffinities.
	Group string
	// Verdicts say what became of every cluster, by name.
	Verdicts []Verdict
	// Memory is to be kept with the decision, and given to the next one.
	Memory Memory
	// RetryAfter is when time alone leads to another decision; 0 for never.
	RetryAfter time.Duration
}

// Scheduled says whether the placement's rules hold.
func (d Decision) Scheduled() bool { return d.Reason == v1alpha1.ReasonScheduled }

// Verdict is what became of one cluster.
type Verdict struct {
	// Cluster is the cluster's name.
	Cluster string
	// Reason is one of the Verdict constants.
	Reason string
	// Message completes the sentence "The cluster ...".
	Message string
}

// Fits says whether the cluster passed every check.
func (v Verdict) Fits() bool {
	return v.Reason == VerdictSelected || v.Reason == VerdictNoWeight || v.Reason == VerdictNoShare
}

// Decide decides where a template goes. A binding without a placement is treated like an empty placement:
// every cluster, with all replicas in each.
func Decide(in Input) Decision {
	clusters := slices.Clone(in.Clusters)
	slices.SortFunc(clusters, func(a, b *v1alpha1.Cluster) int { return strings.Compare(a.Name, b.Name) })
	placement := ptr.Deref(in.Binding.Placement, v1alpha1.Placement{})

	if field := unsupported(&placement); field != "" {
		return keep(in, clusters, v1alpha1.ReasonNotSupported, field+" has no effect in this version, and no decision can be made without it")
	}
	chain, err := newChain(in.Binding, &placement)
	if err != nil {
		return keep(in, clusters, v1alpha1.ReasonInvalidPlacement, err.Error())
	}
	weigher, err := newWeigher(in.Binding, &placement)
	if err != nil {
		return keep(in, clusters, v1alpha1.ReasonInvalidPlacement, err.Error())
	}
	verdicts, fitting := chain.filter(clusters)
	if len(fitting) == 0 {
		return keep(in, clusters, v1alpha1.ReasonNoClusterFit, explainNoFit(verdicts)).explained(verdicts)
	}
	shares := weigher.weigh(clusters, fitting)
	if !anyWeight(shares) {
		message := fmt.Sprintf("none of the %s that fit is in the staticWeightList", count(len(fitting), "cluster"))
		return keep(in, clusters, v1alpha1.ReasonNoWeightMatches, message).explained(withWeights(verdicts, fitting, shares, nil))
	}
	targets := assign(in.Binding, shares, divided(&placement))
	return Decision{
		Clusters: targets,
		Reason:   v1alpha1.ReasonScheduled,
		Message:  "placed in " + count(len(targets), "cluster"),
		Verdicts: withWeights(verdicts, fitting, shares, targets),
	}
}

func (d Decision) explained(verdicts []Verdict) Decision {
	d.Verdicts = verdicts
	return d
}

// unsupported names the first field that is set, has no effect in this version, and without which a decision
// would do something else than the user asked for. Fields that only refine a decision (spreadConstraints,
// workloadAffinity) are left out of it, and the policy's condition FieldsHonored says so.
func unsupported(p *v1alpha1.Placement) string {
	if len(p.ClusterAffinities) > 0 {
		return "placement.clusterAffinities"
	}
	if !divided(p) {
		return ""
	}
	switch division := p.ReplicaScheduling; {
	case division.ReplicaDivisionPreference == v1alpha1.Aggregated:
		return "placement.replicaScheduling.replicaDivisionPreference Aggregated"
	case division.WeightPreference != nil && division.WeightPreference.DynamicWeight != "":
		return "placement.replicaScheduling.weightPreference.dynamicWeight"
	default:
		return ""
	}
}

// divided says whether replicas are divided. Without replicaScheduling they are duplicated; with it, the
// default of the schema is Divided.
func divided(p *v1alpha1.Placement) bool {
	return p.ReplicaScheduling != nil && p.ReplicaScheduling.ReplicaSchedulingType != v1alpha1.Duplicated
}

// keep stays with the old placement, because no new one can be found. A cluster that is gone or going is left
// all the same: nothing can be kept there. Replicas still follow the template, so that scaling works while a
// placement is wrong: divided ones in the proportion that they have, so that nothing moves.
func keep(in Input, clusters []*v1alpha1.Cluster, reason, message string) Decision {
	staying := make(map[string]bool, len(clusters))
	for _, cluster := range clusters {
		staying[cluster.Name] = cluster.DeletionTimestamp == nil
	}
	var shares []share
	held := false
	for _, old := range in.Binding.Clusters {
		if staying[old.Name] {
			replicas := int64(ptr.Deref(old.Replicas, 0))
			held = held || replicas > 0
			shares = append(shares, share{cluster: old.Name, weight: replicas})
		}
	}
	if !held { // nobody has a replica to go by
		for i := range shares {
			shares[i].weight = 1
		}
	}
	slices.SortFunc(shares, func(a, b share) int { return strings.Compare(a.cluster, b.cluster) })
	placement := ptr.Deref(in.Binding.Placement, v1alpha1.Placement{})
	return Decision{Clusters: assign(in.Binding, shares, divided(&placement)), Reason: reason, Message: message}
}

// count is "1 cluster", "2 clusters".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
