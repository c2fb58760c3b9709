package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// Placement says which clusters a template goes to, and how its replicas are divided among them.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.clusterAffinity) && has(self.clusterAffinities))",message="clusterAffinity and clusterAffinities exclude each other: remove one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.spreadConstraints) || !self.spreadConstraints.exists(c, has(c.spreadByField) && c.spreadByField != 'cluster') || self.spreadConstraints.exists(c, has(c.spreadByField) && c.spreadByField == 'cluster')",message="spreadConstraints by region, zone or provider also need one with spreadByField: cluster, which bounds the number of clusters"
// +kubebuilder:validation:XValidation:rule="!has(self.clusterAffinities) || !self.clusterAffinities.exists(a, has(a.overflowAffinities)) || (has(self.replicaScheduling) && self.replicaScheduling.replicaSchedulingType == 'Divided' && has(self.replicaScheduling.replicaDivisionPreference) && (self.replicaScheduling.replicaDivisionPreference == 'Aggregated' || (has(self.replicaScheduling.weightPreference) && has(self.replicaScheduling.weightPreference.dynamicWeight))))",message="overflowAffinities need replicaScheduling Divided with replicaDivisionPreference Aggregated, or Weighted with a dynamicWeight"
type Placement struct {
	// clusterAffinity selects the clusters. With neither clusterAffinity nor clusterAffinities, every
	// cluster is selected.
	// +optional
	ClusterAffinity *ClusterAffinity `json:"clusterAffinity,omitempty"`

	// clusterAffinities are groups of clusters, tried in order until one holds the template with all of its
	// replicas. A template stays with the group that it is in while that group holds it; see failback.
	// +optional
	// +listType=map
	// +listMapKey=affinityName
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	ClusterAffinities []ClusterAffinityTerm `json:"clusterAffinities,omitempty"`

	// clusterTolerations let the template go to clusters with matching taints.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.operator) || t.operator in ['Exists', 'Equal', ''])",message="the operator of a cluster toleration must be Exists or Equal"
	// +kubebuilder:validation:XValidation:rule="self.all(t, (has(t.key) && t.key != '') || (has(t.operator) && t.operator == 'Exists'))",message="a cluster toleration without a key tolerates every taint and must have operator: Exists"
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.value) || t.value == '' || !has(t.operator) || t.operator != 'Exists')",message="a cluster toleration with operator: Exists must not have a value"
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.effect) || t.effect in ['NoSchedule', 'PreferNoSchedule', 'NoExecute', ''])",message="the effect of a cluster toleration must be NoSchedule or NoExecute, or be left out for both"
	ClusterTolerations []corev1.Toleration `json:"clusterTolerations,omitempty"`

	// spreadConstraints say over how many groups of clusters a template is spread. All of them hold together.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, (has(a.spreadByField) ? a.spreadByField : '') == (has(b.spreadByField) ? b.spreadByField : '') && (has(a.spreadByLabel) ? a.spreadByLabel : '') == (has(b.spreadByLabel) ? b.spreadByLabel : '')))",message="each field or label may be spread by only once"
	SpreadConstraints []SpreadConstraint `json:"spreadConstraints,omitempty"`

	// replicaScheduling says how replicas are divided. Without it every selected cluster gets all
	// replicas (Duplicated).
	// +optional
	ReplicaScheduling *ReplicaScheduling `json:"replicaScheduling,omitempty"`

	// workloadAffinity keeps this template with, or apart from, other templates of its namespace.
	// +optional
	WorkloadAffinity *WorkloadAffinity `json:"workloadAffinity,omitempty"`

	// failback lets a template return to clusters that it prefers: to an earlier group of
	// clusterAffinities, or from overflowAffinities to the primary clusters. Without it a template stays
	// where it is until something else moves it.
	// +optional
	Failback *Failback `json:"failback,omitempty"`
}

// Failback says when a template returns to clusters that it prefers.
type Failback struct {
	// stabilizationSeconds is how long the preferred clusters must have been able to take the template
	// before it returns to them. It keeps a flapping cluster from moving the template to and fro.
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=604800
	StabilizationSeconds *int32 `json:"stabilizationSeconds,omitempty"`
}

// ClusterAffinityTerm is one group of clusters.
//
// +kubebuilder:validation:XValidation:rule="!has(self.overflowAffinities) || has(self.labelSelector) || has(self.fieldSelector) || has(self.clusterNames) || has(self.exclude)",message="overflowAffinities need a primary group: set clusterNames, labelSelector, fieldSelector or exclude beside them"
// +kubebuilder:validation:XValidation:rule="!has(self.overflowAffinities) || self.overflowAffinities.all(o, o.affinityName != self.affinityName)",message="an overflow affinity must not have the name of its primary group"
type ClusterAffinityTerm struct {
	// affinityName names the group; unique within the placement.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	AffinityName string `json:"affinityName"`

	ClusterAffinity `json:",inline"`

	// overflowAffinities take, tier by tier, the replicas that the group has no room for.
	// +optional
	// +listType=map
	// +listMapKey=affinityName
	// +kubebuilder:validation:MaxItems=8
	OverflowAffinities []OverflowAffinity `json:"overflowAffinities,omitempty"`
}

// OverflowAffinity is a group of clusters that takes what the groups before it have no room for.
type OverflowAffinity struct {
	// affinityName names the tier.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	AffinityName string `json:"affinityName"`

	ClusterAffinity `json:",inline"`
}

// SpreadField is a field of a Cluster that templates can be spread by.
// +kubebuilder:validation:Enum=cluster;region;zone;provider
type SpreadField string

// The fields to spread by.
const (
	// SpreadByCluster makes every cluster a group of its own.
	SpreadByCluster SpreadField = "cluster"
	// SpreadByRegion groups clusters by spec.region.
	SpreadByRegion SpreadField = "region"
	// SpreadByZone groups clusters by spec.zones.
	SpreadByZone SpreadField = "zone"
	// SpreadByProvider groups clusters by spec.provider.
	SpreadByProvider SpreadField = "provider"
)

// SpreadConstraint bounds the number of groups that a template is spread over.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.spreadByField) && has(self.spreadByLabel))",message="spreadByField and spreadByLabel exclude each other: remove one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.maxGroups) || self.maxGroups >= self.minGroups",message="maxGroups must not be smaller than minGroups"
type SpreadConstraint struct {
	// spreadByField groups clusters by cluster, region, zone or provider. Default, when spreadByLabel is
	// not set either: cluster.
	// +optional
	SpreadByField SpreadField `json:"spreadByField,omitempty"`

	// spreadByLabel groups clusters by the value of this label.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	SpreadByLabel string `json:"spreadByLabel,omitempty"`

	// minGroups is the smallest number of groups that is acceptable.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	MinGroups int32 `json:"minGroups"`

	// maxGroups is the largest number of groups. Without it there is no maximum.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxGroups *int32 `json:"maxGroups,omitempty"`
}

// ReplicaSchedulingType says whether clusters get all replicas each, or a share.
// +kubebuilder:validation:Enum=Duplicated;Divided
type ReplicaSchedulingType string

// The replica scheduling types.
const (
	// Duplicated gives every selected cluster all replicas.
	Duplicated ReplicaSchedulingType = "Duplicated"
	// Divided gives every selected cluster a share; the shares add up to the template's replicas.
	Divided ReplicaSchedulingType = "Divided"
)

// ReplicaDivisionPreference says how replicas are divided.
// +kubebuilder:validation:Enum=Aggregated;Weighted
type ReplicaDivisionPreference string

// The division preferences.
const (
	// Aggregated uses as few clusters as have room.
	Aggregated ReplicaDivisionPreference = "Aggregated"
	// Weighted divides by weights.
	Weighted ReplicaDivisionPreference = "Weighted"
)

// ReplicaScheduling says how replicas are divided among the selected clusters.
//
// +kubebuilder:validation:XValidation:rule="self.replicaSchedulingType == 'Divided' || !(has(self.replicaDivisionPreference) || has(self.weightPreference) || has(self.replicaBounds))",message="replicaDivisionPreference, weightPreference and replicaBounds need replicaSchedulingType: Divided"
// +kubebuilder:validation:XValidation:rule="!has(self.weightPreference) || !has(self.replicaDivisionPreference) || self.replicaDivisionPreference == 'Weighted'",message="weightPreference needs replicaDivisionPreference: Weighted"
type ReplicaScheduling struct {
	// replicaSchedulingType is Duplicated or Divided.
	// +optional
	// +kubebuilder:default=Divided
	ReplicaSchedulingType ReplicaSchedulingType `json:"replicaSchedulingType,omitempty"`

	// replicaDivisionPreference is Weighted or Aggregated; it counts for Divided only. Default: Weighted.
	// +optional
	ReplicaDivisionPreference ReplicaDivisionPreference `json:"replicaDivisionPreference,omitempty"`

	// weightPreference holds the weights for Weighted. Without it all clusters weigh the same.
	// +optional
	WeightPreference *ClusterPreferences `json:"weightPreference,omitempty"`

	// replicaBounds bound the replicas of some clusters; they count for Divided only. A cluster that several
	// entries select has the largest of their minimums and the smallest of their maximums.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	ReplicaBounds []ReplicaBounds `json:"replicaBounds,omitempty"`
}

// ReplicaBounds bound the replicas that a cluster gets.
//
// +kubebuilder:validation:XValidation:rule="has(self.minReplicas) || has(self.maxReplicas)",message="set minReplicas, maxReplicas or both"
// +kubebuilder:validation:XValidation:rule="!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",message="maxReplicas must not be smaller than minReplicas"
type ReplicaBounds struct {
	// targetCluster selects the clusters.
	TargetCluster ClusterAffinity `json:"targetCluster"`

	// minReplicas is what each selected cluster gets at least, as far as the template has that many
	// replicas and the cluster has room for them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// maxReplicas is what each selected cluster gets at most; 0 keeps the template out of it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
}

// DynamicWeight is a source of weights that changes with the clusters.
// +kubebuilder:validation:Enum=AvailableReplicas
type DynamicWeight string

// DynamicWeightByAvailableReplicas weighs a cluster by how many more replicas it has room for.
const DynamicWeightByAvailableReplicas DynamicWeight = "AvailableReplicas"

// ClusterPreferences are the weights of clusters.
//
// +kubebuilder:validation:XValidation:rule="has(self.staticWeightList) || has(self.dynamicWeight)",message="set staticWeightList or dynamicWeight, or leave weightPreference out for equal weights"
type ClusterPreferences struct {
	// staticWeightList gives clusters their weights. A cluster that several entries select has the
	// largest of their weights; one that no entry selects gets no replicas.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	StaticWeightList []StaticClusterWeight `json:"staticWeightList,omitempty"`

	// dynamicWeight takes the weights from the clusters' state; it wins over staticWeightList.
	// +optional
	DynamicWeight DynamicWeight `json:"dynamicWeight,omitempty"`
}

// StaticClusterWeight gives some clusters a weight.
type StaticClusterWeight struct {
	// targetCluster selects the clusters.
	TargetCluster ClusterAffinity `json:"targetCluster"`

	// weight of each selected cluster.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Weight int64 `json:"weight"`
}

// WorkloadAffinity relates templates to each other by the value of a label.
//
// +kubebuilder:validation:XValidation:rule="has(self.affinity) || has(self.antiAffinity)",message="set affinity, antiAffinity or both"
// +kubebuilder:validation:XValidation:rule="!has(self.affinity) || !has(self.antiAffinity) || self.affinity.groupByLabelKey != self.antiAffinity.groupByLabelKey",message="affinity and antiAffinity must not have the same groupByLabelKey: nothing can be together and apart"
type WorkloadAffinity struct {
	// affinity keeps templates with the same label value in the same clusters.
	// +optional
	Affinity *WorkloadAffinityTerm `json:"affinity,omitempty"`

	// antiAffinity keeps templates with the same label value in different clusters.
	// +optional
	AntiAffinity *WorkloadAffinityTerm `json:"antiAffinity,omitempty"`
}

// WorkloadAffinityTerm names the label that groups templates.
type WorkloadAffinityTerm struct {
	// groupByLabelKey is the key of the label.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	GroupByLabelKey string `json:"groupByLabelKey"`
}
