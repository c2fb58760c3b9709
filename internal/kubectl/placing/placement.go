package placing

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// verdictGone is the reason of a cluster that has the template and is no longer in the fleet.
const verdictGone = "Gone"

// ClusterPlacement is what became of one cluster in a decision.
type ClusterPlacement struct {
	// Cluster is the cluster's name.
	Cluster string `json:"cluster"`
	// Chosen says whether the cluster gets the template.
	Chosen bool `json:"chosen"`
	// Rule is what decided, such as Selected, AffinityMismatch or UntoleratedTaint.
	Rule string `json:"rule"`
	// Message completes the sentence "The cluster ...".
	Message string `json:"message"`
	// Hint says what would have to change for the cluster to be chosen; empty when it is.
	Hint string `json:"hint,omitempty"`
	// Group is the affinity or overflow group that selects the cluster; empty when none is named.
	Group string `json:"group,omitempty"`
	// Tier is 0 for a primary cluster, and the number of the overflow group otherwise.
	Tier int `json:"tier"`
	// Weight is the static weight; absent where replicas are not divided by static weights.
	Weight int64 `json:"weight,omitempty"`
	// Room is how many more replicas the cluster has room for; absent when that was not asked or is endless.
	Room *int32 `json:"room,omitempty"`
	// Full says that the cluster got all that it has room for.
	Full bool `json:"full,omitempty"`
	// Before is how many replicas the cluster had before; absent when it did not have the template, or no number.
	Before *int32 `json:"replicasBefore,omitempty"`
	// Replicas is how many it has now; absent when it does not get the template, or no number.
	Replicas *int32 `json:"replicas,omitempty"`
	// Applied says whether the cluster holds the current manifest; absent when it has not told.
	Applied *bool `json:"applied,omitempty"`
	// AppliedReason says in one word why it does, or does not.
	AppliedReason string `json:"appliedReason,omitempty"`
	// AppliedMessage says why it does not.
	AppliedMessage string `json:"appliedMessage,omitempty"`
	// Health is Healthy, Unhealthy or Unknown; absent when the cluster has not told.
	Health v1alpha1.Health `json:"health,omitempty"`
}

// PlacementDecision is a decision about one template.
type PlacementDecision struct {
	// Scheduled says whether the placement's rules hold and every replica is placed.
	Scheduled bool `json:"scheduled"`
	// Reason is a reason of the binding's condition Scheduled, such as Success or Unschedulable.
	Reason string `json:"reason"`
	// Message says more.
	Message string `json:"message,omitempty"`
	// Trigger says why the old placement is not simply kept, such as ReplicasChanged; empty when it is.
	Trigger string `json:"trigger,omitempty"`
	// Group is the affinity group; empty without clusterAffinities.
	Group string `json:"group,omitempty"`
	// Pending is how many replicas found no room.
	Pending int32 `json:"pendingReplicas"`
}

func decisionOf(d schedule.Decision) PlacementDecision {
	return PlacementDecision{
		Scheduled: d.Scheduled(), Reason: d.Reason, Message: d.Message, Trigger: d.Trigger, Group: d.Group, Pending: d.Pending,
	}
}

// moreRoomHint is what helps replicas that are pending in a cluster that is full.
const moreRoomHint = "free resources in it, add nodes to it, or ask for less per replica"

// placementsOf tells of every cluster of a decision: those that are chosen first, then those that fit, then the others,
// each by name. before is where the template was.
func placementsOf(d schedule.Decision, before []v1alpha1.TargetCluster, weighted bool) []ClusterPlacement {
	chosen := replicasOf(d.Clusters)
	was := replicasOf(before)
	placements := make([]ClusterPlacement, 0, len(d.Verdicts))
	fits := make(map[string]bool, len(d.Verdicts))
	for _, v := range d.Verdicts {
		_, isChosen := chosen[v.Cluster]
		p := ClusterPlacement{
			Cluster: v.Cluster, Chosen: isChosen, Rule: v.Reason, Message: v.Message, Hint: v.Hint, Full: v.Full,
			Group: v.Group, Tier: v.Tier, Before: v.Was, Replicas: v.Replicas,
		}
		if weighted && v.Fits() {
			p.Weight = v.Weight
		}
		if v.Room != schedule.EndlessRoom && v.Fits() {
			p.Room = ptr.To(v.Room)
		}
		if isChosen && v.Full && d.Pending > 0 {
			p.Message, p.Hint = p.Message+", as far as it has room", moreRoomHint
		}
		fits[v.Cluster] = v.Fits()
		delete(was, v.Cluster)
		placements = append(placements, p)
	}
	placements = append(placements, unjudged(d, was)...)
	slices.SortFunc(placements, func(a, b ClusterPlacement) int {
		return cmp.Or(compareTrue(a.Chosen, b.Chosen), compareTrue(fits[a.Cluster], fits[b.Cluster]), cmp.Compare(a.Cluster, b.Cluster))
	})
	return placements
}

// unjudged are the clusters that had the template and that the decision says nothing of: they are gone, or no cluster
// was looked at because the placement cannot be understood.
func unjudged(d schedule.Decision, was map[string]*int32) []ClusterPlacement {
	chosen := replicasOf(d.Clusters)
	var placements []ClusterPlacement
	for name, replicas := range was {
		p := ClusterPlacement{
			Cluster: name, Rule: verdictGone, Before: replicas,
			Message: "is not in the fleet", Hint: "join the cluster again",
		}
		if now, kept := chosen[name]; kept {
			p.Chosen, p.Replicas, p.Rule, p.Message, p.Hint = true, now, d.Reason, "keeps what it has", ""
		}
		placements = append(placements, p)
	}
	return placements
}

// wouldGet says of clusters that get nothing, only because what has moved away stays where it is, that they would get
// something in a decision made afresh.
func wouldGet(placements []ClusterPlacement, afresh schedule.Decision) {
	would := replicasOf(afresh.Clusters)
	for i := range placements {
		p := &placements[i]
		replicas, chosen := would[p.Cluster]
		if p.Chosen || !chosen || p.Rule == verdictGone {
			continue
		}
		p.Message, p.Hint = "would be chosen in a fresh decision: what runs elsewhere does not come by itself", freshHint
		if replicas != nil {
			p.Message = fmt.Sprintf("would get %s in a fresh decision: what runs elsewhere does not come by itself", countText(int64(*replicas), "replica"))
		}
	}
}

// freshHint is what brings replicas to a cluster that gets none because nothing moves without a reason.
const freshHint = "create a WorkloadRebalancer (docs/rebalancing.md)"

// compareTrue orders true before false.
func compareTrue(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// report adds what members say of the template.
func report(placements []ClusterPlacement, items []v1alpha1.AggregatedStatusItem) {
	for i := range placements {
		p := &placements[i]
		index := slices.IndexFunc(items, func(item v1alpha1.AggregatedStatusItem) bool { return item.ClusterName == p.Cluster })
		if index < 0 {
			continue
		}
		item := &items[index]
		p.Applied, p.AppliedReason, p.AppliedMessage, p.Health = ptr.To(item.Applied), item.Reason, item.AppliedMessage, item.Health
	}
}

// weighs says whether static weights divide the replicas of a binding. Where room does, that says it all.
func weighs(spec *v1alpha1.BindingSpec) bool {
	return spec.Placement.Divides() && spec.Replicas != nil && len(spec.Components) <= 1 && !schedule.UsesRoom(spec)
}

// PlacementChange is what a decision changes in one cluster.
type PlacementChange struct {
	// Cluster is the cluster's name.
	Cluster string `json:"cluster"`
	// Change is Added, Removed, Grown or Shrunk.
	Change string `json:"change"`
	// Before is how many replicas the cluster has today; absent when it does not have the template, or no number.
	Before *int32 `json:"replicasBefore,omitempty"`
	// Replicas is how many it would have; absent when it would not get the template, or no number.
	Replicas *int32 `json:"replicas,omitempty"`
}

// Kinds of changes.
const (
	changeAdded   = "Added"
	changeRemoved = "Removed"
	changeGrown   = "Grown"
	changeShrunk  = "Shrunk"
)

// changesOf compares two placements, by cluster.
func changesOf(before, after []v1alpha1.TargetCluster) []PlacementChange {
	was, now := replicasOf(before), replicasOf(after)
	var changes []PlacementChange
	for name, replicas := range now {
		old, there := was[name]
		change := PlacementChange{Cluster: name, Before: old, Replicas: replicas}
		switch difference := replicaCount(replicas) - replicaCount(old); {
		case !there:
			change.Change = changeAdded
		case difference > 0:
			change.Change = changeGrown
		case difference < 0:
			change.Change = changeShrunk
		default:
			continue
		}
		changes = append(changes, change)
	}
	for name, old := range was {
		if _, stays := now[name]; !stays {
			changes = append(changes, PlacementChange{Cluster: name, Change: changeRemoved, Before: old})
		}
	}
	slices.SortFunc(changes, func(a, b PlacementChange) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return changes
}

// movesOf says how many replicas come to clusters and leave clusters; as many as do both move.
func movesOf(changes []PlacementChange) (moved, added, removed int64) {
	for _, c := range changes {
		switch difference := int64(replicaCount(c.Replicas)) - int64(replicaCount(c.Before)); {
		case difference > 0:
			added += difference
		default:
			removed -= difference
		}
	}
	moved = min(added, removed)
	return moved, added - moved, removed - moved
}
