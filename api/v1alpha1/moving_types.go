package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// This file holds what a binding says of replicas on their way: who asks that clusters be left, how far they may be filled, and
// which keep what they have until what replaces it is ready.

// ReplicaLimit says how many replicas a cluster holds at most.
type ReplicaLimit struct {
	// cluster is the cluster's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=48
	Cluster string `json:"cluster"`

	// maxReplicas is what the cluster holds at most. Replicas above it go elsewhere, as far as there is room.
	// +kubebuilder:validation:Minimum=0
	MaxReplicas int32 `json:"maxReplicas"`

	// message says what was seen, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// since is when the limit was set or lowered. It is lifted after the descheduler's cool-down.
	Since metav1.Time `json:"since"`
}

// GracefulEvictionTask asks the scheduler to leave a cluster.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.gracePeriodSeconds) && has(self.suppressDeletion))",message="gracePeriodSeconds and suppressDeletion exclude each other: remove one of them"
type GracefulEvictionTask struct {
	// fromCluster is the cluster to leave.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=48
	FromCluster string `json:"fromCluster"`

	// purgeMode says when the old copy goes.
	// +optional
	PurgeMode PurgeMode `json:"purgeMode,omitempty"`

	// replicas that the cluster held when the task was made.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// reason in CamelCase.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`
	Reason string `json:"reason"`

	// message for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// producer is the controller that asks.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Producer string `json:"producer"`

	// gracePeriodSeconds bounds the wait for a healthy replacement.
	// +optional
	// +kubebuilder:validation:Minimum=0
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// suppressDeletion true keeps the old copy until it is set to false.
	// +optional
	SuppressDeletion *bool `json:"suppressDeletion,omitempty"`

	// preservedLabelState are labels that the replacement gets.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	PreservedLabelState map[string]string `json:"preservedLabelState,omitempty"`

	// preservedAnnotationState are annotations that the replacement gets.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	PreservedAnnotationState map[string]string `json:"preservedAnnotationState,omitempty"`

	// creationTimestamp is when the task was made.
	// +optional
	CreationTimestamp *metav1.Time `json:"creationTimestamp,omitempty"`

	// clustersBeforeFailover are the clusters that held the template when the task was made.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=48
	ClustersBeforeFailover []string `json:"clustersBeforeFailover,omitempty"`
}

// RetainedCluster is a cluster that keeps what it has until what replaces it is ready.
type RetainedCluster struct {
	// name of the cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=48
	Name string `json:"name"`

	// replicas that it keeps; absent for kinds without replicas.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// awaits are the clusters that got more since then: all that the decision gives them has to be ready for this one to
	// be let go.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=48
	Awaits []string `json:"awaits,omitempty"`

	// placed is how many replicas were placed in all clusters together before: as many, or as many as are wanted now, have
	// to be placed for this one to be let go. A template of a kind without replicas, and a workload of several components,
	// counts as one per cluster.
	// +kubebuilder:validation:Minimum=0
	Placed int32 `json:"placed"`

	// since is when the decision was made. The grace period begins then.
	Since metav1.Time `json:"since"`

	// lastCopy is true when the grace period has ended and nothing was ready elsewhere. The first replica that is ready
	// there begins another grace period.
	// +optional
	LastCopy bool `json:"lastCopy,omitempty"`

	// reason of the decision, in CamelCase, such as Eviction or PlacementChanged.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
}
