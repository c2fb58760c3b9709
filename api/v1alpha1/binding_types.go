package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// BindingSpec is the decision about one template. The comment of each field names its only writer.
type BindingSpec struct {
	// resource is the template. Written by propagation.
	Resource ObjectReference `json:"resource"`

	// policy is the policy that governs the template. Written by propagation.
	// +optional
	Policy *PolicyReference `json:"policy,omitempty"`

	// replicas that the template asks for; absent for kinds without replicas. Written by propagation.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// replicaRequirements is what one replica needs. Written by propagation.
	// +optional
	ReplicaRequirements *ReplicaRequirements `json:"replicaRequirements,omitempty"`

	// components are the parts of a workload with several pod templates. Written by propagation. The parts stay
	// together: every part with all of its replicas goes to one cluster.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Components []Component `json:"components,omitempty"`

	// placement is the policy's placement. Written by propagation.
	// +optional
	Placement *Placement `json:"placement,omitempty"`

	// clusters is where the template goes, and with how many replicas. Written by scheduling.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1024
	Clusters []TargetCluster `json:"clusters,omitempty"`

	// retained are clusters that keep what they have although the decision takes it from them, because what replaces it
	// is not ready yet. Nothing is changed there meanwhile. Written by scheduling, together with clusters.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1024
	Retained []RetainedCluster `json:"retained,omitempty"`

	// gracefulEvictionTasks ask the scheduler to leave clusters. Written by eviction. The scheduler moves what
	// other clusters can take, and gives these clusters nothing new. A cluster that nothing can replace is not left.
	// +optional
	// +listType=map
	// +listMapKey=fromCluster
	// +kubebuilder:validation:MaxItems=1024
	GracefulEvictionTasks []GracefulEvictionTask `json:"gracefulEvictionTasks,omitempty"`

	// requiredBy lists the bindings whose templates need this one, and the clusters in which they need it: it goes
	// there beside the clusters that were decided for itself. Written by dependencies.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	RequiredBy []BindingSnapshot `json:"requiredBy,omitempty"`

	// preservedIn are clusters in which a template that needed this one was to be preserved when it was deleted, and was
	// deleted: the object stays there, and is preserved when this binding is deleted. Written by dependencies.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=48
	PreservedIn []string `json:"preservedIn,omitempty"`

	// propagateDeps is the policy's propagateDeps. Written by propagation.
	// +optional
	PropagateDeps bool `json:"propagateDeps,omitempty"`

	// schedulerName is the policy's schedulerName. Written by propagation.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SchedulerName string `json:"schedulerName,omitempty"`

	// failover is the policy's failover. Written by propagation.
	// +optional
	Failover *FailoverBehavior `json:"failover,omitempty"`

	// disruption is the policy's disruption. Written by propagation.
	// +optional
	Disruption *Disruption `json:"disruption,omitempty"`

	// conflictResolution is the policy's conflictResolution. Written by propagation.
	// +optional
	ConflictResolution ConflictResolution `json:"conflictResolution,omitempty"`

	// replicaLimits say how many replicas clusters hold at most, because they were seen to have no room for
	// more. Written by descheduling.
	// +optional
	// +listType=map
	// +listMapKey=cluster
	// +kubebuilder:validation:MaxItems=1024
	ReplicaLimits []ReplicaLimit `json:"replicaLimits,omitempty"`

	// rescheduleTriggeredAt asks for a fresh decision. Written by rebalance.
	// +optional
	RescheduleTriggeredAt *metav1.Time `json:"rescheduleTriggeredAt,omitempty"`

	// applyRules are the policy's applyRules. Written by propagation.
	// +optional
	ApplyRules *ApplyRules `json:"applyRules,omitempty"`

	// suspension is the policy's suspension. Written by propagation, its field scheduling by others.
	// +optional
	Suspension *BindingSuspension `json:"suspension,omitempty"`

	// preserveResourcesOnDeletion is the policy's preserveResourcesOnDeletion. Written by propagation.
	// +optional
	PreserveResourcesOnDeletion *bool `json:"preserveResourcesOnDeletion,omitempty"`

	// schedulePriority orders scheduling. Written by propagation.
	// +optional
	SchedulePriority *BindingPriority `json:"schedulePriority,omitempty"`

	// workloadAffinityGroups are the template's groups for workload affinity. Written by propagation.
	// +optional
	WorkloadAffinityGroups *WorkloadAffinityGroups `json:"workloadAffinityGroups,omitempty"`
}

// PolicyReference names the policy that governs a template.
type PolicyReference struct {
	// kind is PropagationPolicy or ClusterPropagationPolicy.
	// +kubebuilder:validation:Enum=PropagationPolicy;ClusterPropagationPolicy
	Kind string `json:"kind"`

	// namespace of the policy; empty for a ClusterPropagationPolicy.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the policy.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// reason says why this policy governs the template and no other.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// Component is one part of a workload with several pod templates.
type Component struct {
	// name of the part.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name"`

	// replicas of the part.
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas"`

	// replicaRequirements is what one replica of the part needs.
	// +optional
	ReplicaRequirements *ReplicaRequirements `json:"replicaRequirements,omitempty"`
}

// TargetCluster is one cluster of a decision.
type TargetCluster struct {
	// name of the cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=48
	Name string `json:"name"`

	// replicas for this cluster; absent for kinds without replicas.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// components are the replicas of each part, for workloads with several pod templates.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Components []TargetComponent `json:"components,omitempty"`

	// preservedLabelState are labels with values of the copy that this one replaces, by the policy's statePreservation.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	PreservedLabelState map[string]string `json:"preservedLabelState,omitempty"`

	// preservedAnnotationState are annotations with values of the copy that this one replaces.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	PreservedAnnotationState map[string]string `json:"preservedAnnotationState,omitempty"`
}

// TargetComponent is the share of one part that a cluster gets.
type TargetComponent struct {
	// name of the part.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name"`

	// replicas of the part in this cluster.
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas"`
}

// BindingSnapshot is what one binding looked like to another.
type BindingSnapshot struct {
	// namespace of the binding.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the binding.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// clusters of the binding: those that were decided for it, and those that it is leaving.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	Clusters []TargetCluster `json:"clusters,omitempty"`

	// conflictResolution of the binding, when it is Overwrite.
	// +optional
	ConflictResolution ConflictResolution `json:"conflictResolution,omitempty"`

	// preserveResourcesOnDeletion of the binding.
	// +optional
	PreserveResourcesOnDeletion bool `json:"preserveResourcesOnDeletion,omitempty"`
}

// BindingSuspension stops parts of the pipeline for one binding.
type BindingSuspension struct {
	Suspension `json:",inline"`

	// scheduling true stops new decisions. Set by controllers outside of Flotilla, such as a queue.
	// +optional
	Scheduling *bool `json:"scheduling,omitempty"`

	// held true keeps the template from members for as long as nobody knows how many replicas it asks for, or an override
	// policy is missing that its policy depends on. Written by propagation.
	// +optional
	Held *bool `json:"held,omitempty"`
}

// BindingPriority orders scheduling.
type BindingPriority struct {
	// priority: the higher, the sooner.
	// +optional
	Priority int32 `json:"priority,omitempty"`
}

// WorkloadAffinityGroups are a template's groups for workload affinity, as "key=value".
type WorkloadAffinityGroups struct {
	// affinityGroup stays together.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	AffinityGroup string `json:"affinityGroup,omitempty"`

	// antiAffinityGroup stays apart.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	AntiAffinityGroup string `json:"antiAffinityGroup,omitempty"`
}

// Health is what the interpreter makes of a member's object.
// +kubebuilder:validation:Enum=Healthy;Unhealthy;Unknown
type Health string

// The healths.
const (
	// Healthy: the object does what it should.
	Healthy Health = "Healthy"
	// Unhealthy: the object does not, or not yet, do what it should.
	Unhealthy Health = "Unhealthy"
	// HealthUnknown: the member has not told.
	HealthUnknown Health = "Unknown"
)

// BindingStatus is what became of a decision. Scheduling owns lastScheduledTime, the scheduler's fields
// and the conditions Scheduled and Moving; aggregation owns aggregatedStatus, summary and the conditions Applied and
// Healthy; propagation owns the condition TemplateOnly.
type BindingStatus struct {
	// schedulerObservedGeneration is the generation of the binding that the last decision was made for.
	// +optional
	SchedulerObservedGeneration int64 `json:"schedulerObservedGeneration,omitempty"`

	// schedulerObservedAffinityName is the affinity group that the last decision used.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	SchedulerObservedAffinityName string `json:"schedulerObservedAffinityName,omitempty"`

	// pendingReplicas are the replicas that no cluster has room for. Together with those in spec.clusters they
	// are the template's, when they are divided.
	// +optional
	PendingReplicas int32 `json:"pendingReplicas,omitempty"`

	// lastScheduledTime is when spec.clusters was last decided anew.
	// +optional
	LastScheduledTime *metav1.Time `json:"lastScheduledTime,omitempty"`

	// summary counts, for people.
	// +optional
	Summary *BindingSummary `json:"summary,omitempty"`

	// aggregatedStatus is what each member reports.
	// +optional
	// +listType=map
	// +listMapKey=clusterName
	// +kubebuilder:validation:MaxItems=1024
	AggregatedStatus []AggregatedStatusItem `json:"aggregatedStatus,omitempty"`

	// conditions: Scheduled, Moving, Applied, Healthy, TemplateOnly.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// BindingSummary counts clusters for the columns of kubectl get.
type BindingSummary struct {
	// applied is how many of the target clusters hold the current manifest, such as "3/3".
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Applied string `json:"applied,omitempty"`

	// healthy is how many of the target clusters report a healthy object, such as "3/3".
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Healthy string `json:"healthy,omitempty"`
}

// AggregatedStatusItem is what one member reports.
type AggregatedStatusItem struct {
	// clusterName is the member.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=48
	ClusterName string `json:"clusterName"`

	// applied is true when the member holds the current manifest.
	// +optional
	Applied bool `json:"applied,omitempty"`

	// reason says in one word why it is applied or not.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// appliedMessage says why the manifest is not applied.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	AppliedMessage string `json:"appliedMessage,omitempty"`

	// health is what the interpreter makes of the member's object.
	// +optional
	Health Health `json:"health,omitempty"`

	// readyReplicas is how many of the member's replicas are ready; absent for kinds without replicas. For a kind that
	// does not count them it is all or none, as the object is healthy or not.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadyReplicas *int32 `json:"readyReplicas,omitempty"`

	// unhealthySince is since when the object has been unhealthy. That its health is unknown for a while does not end
	// that.
	// +optional
	UnhealthySince *metav1.Time `json:"unhealthySince,omitempty"`

	// drift are fields that were changed in the member and stay so, because applyRules.driftPolicy is Report: the
	// first ten, in the order of their paths.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=10
	Drift []DriftedField `json:"drift,omitempty"`

	// status is the status of the member's object.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	Status *runtime.RawExtension `json:"status,omitempty"`
}

// ResourceBinding is the decision about one namespaced template, and what became of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rb,categories={flotilla}
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.resource.kind`
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.resource.name`
// +kubebuilder:printcolumn:name="Scheduled",type=string,JSONPath=`.status.conditions[?(@.type=="Scheduled")].reason`
// +kubebuilder:printcolumn:name="Applied",type=string,JSONPath=`.status.summary.applied`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.summary.healthy`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Applied")].reason`
// +kubebuilder:printcolumn:name="Moving",type=string,JSONPath=`.status.conditions[?(@.type=="Moving")].reason`,description="Moved when nothing is on its way; empty when nothing has ever moved"
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.spec.policy.name`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Applied")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ResourceBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the decision.
	Spec BindingSpec `json:"spec"`

	// status is what became of it.
	// +optional
	Status BindingStatus `json:"status,omitempty"`
}

// ResourceBindingList is a list of ResourceBindings.
//
// +kubebuilder:object:root=true
type ResourceBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ResourceBinding `json:"items"`
}

// ClusterResourceBinding is the decision about one cluster-scoped template, and what became of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=crb,categories={flotilla},scope=Cluster
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.resource.kind`
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.resource.name`
// +kubebuilder:printcolumn:name="Scheduled",type=string,JSONPath=`.status.conditions[?(@.type=="Scheduled")].reason`
// +kubebuilder:printcolumn:name="Applied",type=string,JSONPath=`.status.summary.applied`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.summary.healthy`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Applied")].reason`
// +kubebuilder:printcolumn:name="Moving",type=string,JSONPath=`.status.conditions[?(@.type=="Moving")].reason`,description="Moved when nothing is on its way; empty when nothing has ever moved"
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.spec.policy.name`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Applied")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterResourceBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the decision.
	Spec BindingSpec `json:"spec"`

	// status is what became of it.
	// +optional
	Status BindingStatus `json:"status,omitempty"`
}

// ClusterResourceBindingList is a list of ClusterResourceBindings.
//
// +kubebuilder:object:root=true
type ClusterResourceBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterResourceBinding `json:"items"`
}
