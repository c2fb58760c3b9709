package schedule

// Reasons of a Verdict.
const (
	// VerdictSelected: the cluster gets the template.
	VerdictSelected = "Selected"
	// VerdictLeaving: the cluster should be left, but no other one has room for what it holds.
	VerdictLeaving = "Leaving"
	// VerdictNoWeight: the cluster fits, but no entry of the staticWeightList selects it.
	VerdictNoWeight = "NoWeight"
	// VerdictNoShare: the cluster fits, but its share of the replicas is 0.
	VerdictNoShare = "NoShare"
	// VerdictNoRoom: the cluster fits, but has no room for one more replica.
	VerdictNoRoom = "InsufficientCapacity"
	// VerdictBound: the cluster fits, but the placement's replicaBounds, or a limit of the descheduler, give it nothing.
	VerdictBound = "ReplicaBound"
	// VerdictNotSpread: the cluster fits, but the spread constraints were satisfied without it.
	VerdictNotSpread = "SpreadConstraint"
	// VerdictSpreadProperty: a spread constraint groups by something that the cluster does not have.
	VerdictSpreadProperty = "SpreadPropertyMissing"
	// VerdictDeleting: the Cluster is being deleted.
	VerdictDeleting = "Deleting"
	// VerdictSyncModeNotSupported: the Cluster's syncMode has no effect in this version.
	VerdictSyncModeNotSupported = "SyncModeNotSupported"
	// VerdictAffinityMismatch: the cluster affinity does not select the cluster.
	VerdictAffinityMismatch = "AffinityMismatch"
	// VerdictUntoleratedTaint: the cluster has a taint that no toleration matches.
	VerdictUntoleratedTaint = "UntoleratedTaint"
	// VerdictAPINotEnabled: the cluster does not serve the template's kind.
	VerdictAPINotEnabled = "APINotEnabled"
	// VerdictEvicting: an eviction task asks to leave the cluster.
	VerdictEvicting = "Evicting"
	// VerdictWorkloadAffinity: a template of the same affinity group is not in the cluster.
	VerdictWorkloadAffinity = "WorkloadAffinity"
	// VerdictWorkloadAntiAffinity: a template of the same anti-affinity group is in the cluster.
	VerdictWorkloadAntiAffinity = "WorkloadAntiAffinity"
)

// EndlessRoom is the Room of a Verdict on a cluster whose room is not bounded.
const EndlessRoom = -1

// Verdict is what became of one cluster.
type Verdict struct {
	// Cluster is the cluster's name.
	Cluster string
	// Reason is one of the Verdict constants.
	Reason string
	// Message completes the sentence "The cluster ...".
	Message string
	// Hint says what would have to change for the cluster to be chosen; empty when it is.
	Hint string
	// Group is the affinity or overflow group that selects the cluster; empty when none is named.
	Group string
	// Tier is 0 for a primary cluster, and the number of the overflow group otherwise.
	Tier int
	// Weight is the static weight, or the room that stands in for it.
	Weight int64
	// Room is how many more replicas the cluster has room for; EndlessRoom when that is not bounded.
	Room int32
	// Full says that more room in the cluster would help replicas that are pending: in one of the affinity groups that
	// were tried it got all that it has room for, or was left out while replicas found no room.
	Full bool
	// Was is how many replicas the cluster had before; nil when it did not have the template, or has no number.
	Was *int32
	// Replicas is how many it has now; nil when it does not get the template, or gets no number.
	Replicas *int32
}

// Fits says whether the cluster passed every filter.
func (v Verdict) Fits() bool {
	switch v.Reason {
	case VerdictSelected, VerdictNoWeight, VerdictNoShare, VerdictNoRoom, VerdictBound, VerdictNotSpread:
		return true
	}
	return false
}

// hints say what would have to change, by the reason of a verdict.
var hints = map[string]string{
	VerdictLeaving:              "make room in another cluster, or let the placement select this one again",
	VerdictNoWeight:             "add an entry that selects it to placement.replicaScheduling.weightPreference.staticWeightList",
	VerdictNoShare:              "more replicas, or a larger weight",
	VerdictNoRoom:               "free resources in it, add nodes to it, or ask for less per replica",
	VerdictBound:                "raise maxReplicas in placement.replicaScheduling.replicaBounds, or wait until the descheduler lifts its limit",
	VerdictNotSpread:            "raise maxGroups in placement.spreadConstraints",
	VerdictSpreadProperty:       "set the field or label that placement.spreadConstraints group by on the Cluster",
	VerdictDeleting:             "join the cluster again",
	VerdictSyncModeNotSupported: "join the cluster with the syncMode Push",
	VerdictAffinityMismatch:     "edit the affinity in the placement, or the Cluster's labels and fields, until they match",
	VerdictUntoleratedTaint:     "add a matching entry to placement.clusterTolerations, or remove the taint from the Cluster",
	VerdictAPINotEnabled:        "install the kind in the cluster",
	VerdictEvicting:             "wait until the eviction is done",
	VerdictWorkloadAffinity:     "move the other templates of the group there too, or take the label off this one",
	VerdictWorkloadAntiAffinity: "move the other template of the group away, or take the label off this one",
}
