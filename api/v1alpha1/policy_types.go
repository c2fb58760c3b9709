package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// PreemptionBehavior says whether a policy takes templates from policies of lower priority.
// +kubebuilder:validation:Enum=Always;Never
type PreemptionBehavior string

// The preemption behaviours.
const (
	// PreemptAlways takes templates from policies of lower priority.
	PreemptAlways PreemptionBehavior = "Always"
	// PreemptNever leaves templates with the policy that governs them.
	PreemptNever PreemptionBehavior = "Never"
)

// ConflictResolution says what happens when a member already holds a foreign object of the same name.
// +kubebuilder:validation:Enum=Abort;Overwrite
type ConflictResolution string

// The conflict resolutions.
const (
	// ConflictAbort leaves the foreign object alone and reports the conflict.
	ConflictAbort ConflictResolution = "Abort"
	// ConflictOverwrite takes the foreign object over.
	ConflictOverwrite ConflictResolution = "Overwrite"
)

// ActivationPreference says when changes of a policy take effect.
// +kubebuilder:validation:Enum=Lazy
type ActivationPreference string

// ActivationLazy lets changes of the policy take effect on a template only with the template's next change.
const ActivationLazy ActivationPreference = "Lazy"

// PurgeMode says when the old copy goes after a failover.
// +kubebuilder:validation:Enum=Directly;Gracefully;Never
type PurgeMode string

// The purge modes.
const (
	// PurgeDirectly removes the old copy at once.
	PurgeDirectly PurgeMode = "Directly"
	// PurgeGracefully removes the old copy when its replacement is healthy.
	PurgeGracefully PurgeMode = "Gracefully"
	// PurgeNever keeps the old copy until a user removes it.
	PurgeNever PurgeMode = "Never"
)

// PropagationSpec says which templates go where.
type PropagationSpec struct {
	// resourceSelectors select the templates. A template that any of them matches is selected.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	ResourceSelectors []ResourceSelector `json:"resourceSelectors"`

	// placement says which clusters the templates go to. Empty means every cluster, with all replicas in
	// each.
	// +optional
	Placement Placement `json:"placement,omitempty"`

	// priority decides between policies that match the same template: the higher one wins. Between equal
	// ones the more specific selector wins (name, then labels, then kind), then the policy whose name
	// sorts first. A PropagationPolicy always wins over a ClusterPropagationPolicy.
	// +optional
	// +kubebuilder:default=0
	Priority *int32 `json:"priority,omitempty"`

	// preemption says whether this policy takes templates from other policies. With Never, the default, a
	// template stays with its policy while that policy matches it. With Always, a PropagationPolicy takes
	// templates from PropagationPolicies of lower priority and from every ClusterPropagationPolicy, a
	// ClusterPropagationPolicy from ClusterPropagationPolicies of lower priority.
	// +optional
	// +kubebuilder:default=Never
	Preemption PreemptionBehavior `json:"preemption,omitempty"`

	// propagateDeps also propagates what the templates need or what follows them: the ConfigMaps, Secrets,
	// ServiceAccounts and PersistentVolumeClaims that their pods mention, an Ingress's TLS Secrets, and the
	// HorizontalPodAutoscalers and PodDisruptionBudgets for them. They go where the template goes and leave after it. A
	// policy for one of them still decides about everything but these clusters, which are added to its own.
	// +optional
	PropagateDeps bool `json:"propagateDeps,omitempty"`

	// dependentOverrides names override policies that must exist before templates are propagated: OverridePolicies of
	// the template's namespace, or ClusterOverridePolicies. What is propagated already stays when one goes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	DependentOverrides []string `json:"dependentOverrides,omitempty"`

	// schedulerName names the scheduler that decides. Schedulers other than "default-scheduler" are not
	// part of Flotilla: their bindings are left alone.
	// +optional
	// +kubebuilder:default=default-scheduler
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="schedulerName cannot be changed: create another policy"
	SchedulerName string `json:"schedulerName,omitempty"`

	// failover says what happens when an application or its cluster fails.
	// +optional
	Failover *FailoverBehavior `json:"failover,omitempty"`

	// disruption bounds what moves that nothing forces (drain, rebalancing, descheduling, an edited placement) may make
	// unavailable. Without it such a move may begin at any time, and leaves a cluster when all of its replacement is
	// ready. Failures are not bound by it.
	// +optional
	Disruption *Disruption `json:"disruption,omitempty"`

	// conflictResolution says what happens when a member already holds a foreign object of the same
	// name: Abort leaves it alone and reports it, Overwrite takes it over.
	// +optional
	// +kubebuilder:default=Abort
	ConflictResolution ConflictResolution `json:"conflictResolution,omitempty"`

	// applyRules say how manifests get along with what members already hold, and with what is changed there.
	// +optional
	ApplyRules *ApplyRules `json:"applyRules,omitempty"`

	// activationPreference Lazy lets changes of this policy, its suspension included, take effect on a template only with the
	// template's next change: of its spec or data, labels or annotations. The same holds when this policy takes a
	// template from another one. A template that no policy has governed yet is propagated at once. Without Lazy, what
	// waits takes effect.
	// +optional
	ActivationPreference ActivationPreference `json:"activationPreference,omitempty"`

	// suspension stops changes from reaching members. What a member holds stays as it is, drift included; an object
	// that is no longer wanted is removed nevertheless.
	// +optional
	Suspension *Suspension `json:"suspension,omitempty"`

	// preserveResourcesOnDeletion keeps the members' objects when the template is deleted. They lose
	// Flotilla's marks and belong to the member from then on.
	// +optional
	PreserveResourcesOnDeletion *bool `json:"preserveResourcesOnDeletion,omitempty"`

	// schedulePriority orders the scheduling of this policy's templates.
	// +optional
	SchedulePriority *SchedulePriority `json:"schedulePriority,omitempty"`
}

// Suspension stops changes from reaching members.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.dispatching) && has(self.dispatchingOnClusters))",message="dispatching and dispatchingOnClusters exclude each other: remove one of them"
type Suspension struct {
	// dispatching true stops changes to every member.
	// +optional
	Dispatching *bool `json:"dispatching,omitempty"`

	// dispatchingOnClusters stops changes to the members that it names.
	// +optional
	DispatchingOnClusters *SuspendClusters `json:"dispatchingOnClusters,omitempty"`
}

// SuspendClusters names members.
type SuspendClusters struct {
	// clusterNames are the members' names.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=48
	ClusterNames []string `json:"clusterNames,omitempty"`
}

// PriorityClassSource says where a priority class is looked up.
// +kubebuilder:validation:Enum=KubePriorityClass
type PriorityClassSource string

// KubePriorityClass looks the class up among the host's PriorityClass objects.
const KubePriorityClass PriorityClassSource = "KubePriorityClass"

// SchedulePriority names the class whose value orders scheduling.
type SchedulePriority struct {
	// priorityClassSource says where the class is looked up.
	PriorityClassSource PriorityClassSource `json:"priorityClassSource"`

	// priorityClassName is the class's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName"`
}

// Disruption bounds what moves that nothing forces may make unavailable.
//
// +kubebuilder:validation:XValidation:rule="has(self.maxUnavailableReplicas) || has(self.maxUnavailableClusters)",message="disruption needs maxUnavailableReplicas or maxUnavailableClusters: set one of them"
type Disruption struct {
	// maxUnavailableReplicas is how many of the template's replicas, or which percentage of them (rounded down), may be
	// not ready because of such a move. No move begins while more are not ready, and a cluster is left when all but so
	// many of its replacement are ready. 0 waits for all.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == string ? self.matches('^(100|[1-9]?[0-9])%$') : self >= 0",message="maxUnavailableReplicas must be a number of at least 0, or a percentage such as 25%"
	MaxUnavailableReplicas *intstr.IntOrString `json:"maxUnavailableReplicas,omitempty"`

	// maxUnavailableClusters is how many clusters such moves leave at the same time.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxUnavailableClusters *int32 `json:"maxUnavailableClusters,omitempty"`
}

// FailoverBehavior says what happens on failures.
type FailoverBehavior struct {
	// application says what happens when the application itself is unhealthy in a cluster.
	// +optional
	Application *ApplicationFailoverBehavior `json:"application,omitempty"`

	// cluster says what happens when the cluster fails.
	// +optional
	Cluster *ClusterFailoverBehavior `json:"cluster,omitempty"`
}

// ApplicationFailoverBehavior says when and how an unhealthy application moves.
//
// +kubebuilder:validation:XValidation:rule="!has(self.gracePeriodSeconds) || self.purgeMode == 'Gracefully'",message="gracePeriodSeconds needs purgeMode: Gracefully"
type ApplicationFailoverBehavior struct {
	// decisionConditions say when an application counts as failed.
	// +optional
	DecisionConditions DecisionConditions `json:"decisionConditions,omitempty"`

	// purgeMode says when the old copy goes.
	// +optional
	// +kubebuilder:default=Gracefully
	PurgeMode PurgeMode `json:"purgeMode,omitempty"`

	// gracePeriodSeconds bounds the wait for a healthy replacement with Gracefully.
	// +optional
	// +kubebuilder:validation:Minimum=1
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// coolDownSeconds is how long a cluster in which the application failed gets nothing of it again. At least a minute, so that an
	// application that fails everywhere does not move without end.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=60
	CoolDownSeconds *int32 `json:"coolDownSeconds,omitempty"`

	// statePreservation hands values of the failed copy's status to its replacement.
	// +optional
	StatePreservation *StatePreservation `json:"statePreservation,omitempty"`
}

// ClusterFailoverBehavior says how an application leaves a failed cluster.
type ClusterFailoverBehavior struct {
	// purgeMode says when the old copy goes: Directly or Gracefully.
	// +optional
	// +kubebuilder:default=Gracefully
	// +kubebuilder:validation:XValidation:rule="self != 'Never'",message="purgeMode of failover.cluster must be Directly or Gracefully"
	PurgeMode PurgeMode `json:"purgeMode,omitempty"`

	// statePreservation hands values of the failed copy's status to its replacement.
	// +optional
	StatePreservation *StatePreservation `json:"statePreservation,omitempty"`
}

// DecisionConditions say when an application counts as failed.
type DecisionConditions struct {
	// tolerationSeconds is how long an application may be unhealthy before it moves.
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=0
	TolerationSeconds *int32 `json:"tolerationSeconds,omitempty"`
}

// StatePreservation hands values of a failed copy's status to its replacement.
type StatePreservation struct {
	// rules each hand over one value.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Rules []StatePreservationRule `json:"rules"`
}

// StatePreservationRule hands over one value.
//
// +kubebuilder:validation:XValidation:rule="has(self.aliasLabelName) != has(self.aliasAnnotationName)",message="a rule needs either aliasLabelName or aliasAnnotationName: set exactly one of them"
type StatePreservationRule struct {
	// aliasLabelName is the label that the replacement gets. A value that is no valid label value needs an annotation.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	AliasLabelName string `json:"aliasLabelName,omitempty"`

	// aliasAnnotationName is the annotation that the replacement gets.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	AliasAnnotationName string `json:"aliasAnnotationName,omitempty"`

	// jsonPath of the value, relative to the object's status, such as {.jobStatus.jobId}. It may have fields, indexes, [*] and
	// filters, but no descents (..).
	// +kubebuilder:validation:XValidation:rule="!self.contains('..')",message="jsonPath must not have a descent (..): name the fields, as in {.jobStatus.jobId}"
	// +kubebuilder:validation:XValidation:rule="self.contains('{') == self.contains('}')",message="jsonPath has an open brace: write {.jobStatus.jobId}"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	JSONPath string `json:"jsonPath"`
}

// PropagationStatus says whether a policy works.
type PropagationStatus struct {
	// observedGeneration is the generation of the spec that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// bindings is the number of templates that this policy governs.
	// +optional
	Bindings int32 `json:"bindings"`

	// conditions: Ready (the selected kinds are watched).
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// PropagationPolicy says which templates of its namespace go to which clusters.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pp,categories={flotilla}
// +kubebuilder:printcolumn:name="Bindings",type=integer,JSONPath=`.status.bindings`,description="templates that this policy governs"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PropagationPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which templates go where.
	Spec PropagationSpec `json:"spec"`

	// status says whether the policy works.
	// +optional
	Status PropagationStatus `json:"status,omitempty"`
}

// PropagationPolicyList is a list of PropagationPolicies.
//
// +kubebuilder:object:root=true
type PropagationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PropagationPolicy `json:"items"`
}

// ClusterPropagationPolicy says which templates, of any namespace or cluster-scoped, go to which clusters.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=cpp,categories={flotilla},scope=Cluster
// +kubebuilder:printcolumn:name="Bindings",type=integer,JSONPath=`.status.bindings`,description="templates that this policy governs"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterPropagationPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which templates go where.
	Spec PropagationSpec `json:"spec"`

	// status says whether the policy works.
	// +optional
	Status PropagationStatus `json:"status,omitempty"`
}

// ClusterPropagationPolicyList is a list of ClusterPropagationPolicies.
//
// +kubebuilder:object:root=true
type ClusterPropagationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterPropagationPolicy `json:"items"`
}
