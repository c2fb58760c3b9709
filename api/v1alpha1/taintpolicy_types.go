package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterTaintPolicySpec says which conditions of which clusters become taints.
type ClusterTaintPolicySpec struct {
	// targetClusters selects clusters; without it, every cluster is selected.
	// +optional
	TargetClusters *ClusterAffinity `json:"targetClusters,omitempty"`

	// addOnConditions add the taints to a cluster while all of them hold. Without any, no taint is ever added.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	AddOnConditions []ConditionMatch `json:"addOnConditions,omitempty"`

	// removeOnConditions remove the taints when all of them hold; they win over addOnConditions. Between the two the taints
	// stay as they are. Without any, the taints go as soon as addOnConditions no longer hold.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	RemoveOnConditions []ConditionMatch `json:"removeOnConditions,omitempty"`

	// taints are what a cluster gets. One that the cluster has of somebody else, with the same key and effect, stays as it
	// is. A taint with the effect NoExecute evicts what runs in the cluster and does not tolerate it.
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Taints []PolicyTaint `json:"taints"`
}

// ConditionMatch holds for a cluster that has the condition, with a status that fits. A cluster without the condition never
// fits, whatever the operator.
type ConditionMatch struct {
	// conditionType is the type of a condition of the Cluster, such as Ready. Anybody may write conditions of other types than
	// those that Flotilla writes.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	ConditionType string `json:"conditionType"`

	// operator is In or NotIn.
	Operator ConditionOperator `json:"operator"`

	// statusValues are the statuses to compare with.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:Enum=True;False;Unknown
	StatusValues []metav1.ConditionStatus `json:"statusValues"`
}

// ConditionOperator relates a condition's status to values.
// +kubebuilder:validation:Enum=In;NotIn
type ConditionOperator string

// The operators of a ConditionMatch.
const (
	// ConditionIn holds when the status is one of the values.
	ConditionIn ConditionOperator = "In"
	// ConditionNotIn holds when the status is none of the values.
	ConditionNotIn ConditionOperator = "NotIn"
)

// PolicyTaint is a taint that a policy puts on clusters.
//
// +kubebuilder:validation:XValidation:rule="self.key.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="key must be a label key: a name, or a DNS name, a slash and a name"
// +kubebuilder:validation:XValidation:rule="!self.key.startsWith('cluster.flotilla.dev/')",message="keys that begin with cluster.flotilla.dev/ are Flotilla's own"
// +kubebuilder:validation:XValidation:rule="!has(self.value) || self.value.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="value must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
type PolicyTaint struct {
	// key of the taint.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key"`

	// value of the taint.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Value string `json:"value,omitempty"`

	// effect is NoSchedule or NoExecute.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Enum=NoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
}

// MaxTaintedClusters is how many clusters a ClusterTaintPolicy's status names. The counts count all.
const MaxTaintedClusters = 1024

// ClusterTaintPolicyStatus is what the policy does now.
type ClusterTaintPolicyStatus struct {
	// observedGeneration is the generation of the spec that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// matchedClusters is how many clusters targetClusters selects.
	// +optional
	MatchedClusters int32 `json:"matchedClusters"`

	// taintedClusters is on how many of them the conditions hold.
	// +optional
	TaintedClusters int32 `json:"taintedClusters"`

	// clusters are the names of those on which the conditions hold. Between addOnConditions and removeOnConditions this is
	// what tells whether the taints stay on or off.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=48
	Clusters []string `json:"clusters,omitempty"`

	// conditions: Ready (the policy is obeyed).
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ClusterTaintPolicy turns conditions of clusters into taints, and takes the taints away when the conditions end or the
// policy goes. It takes effect with the feature gate Failover.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ctp,categories={flotilla},scope=Cluster
// +kubebuilder:printcolumn:name="Matched",type=integer,JSONPath=`.status.matchedClusters`,description="clusters that the policy selects"
// +kubebuilder:printcolumn:name="Tainted",type=integer,JSONPath=`.status.taintedClusters`,description="clusters on which its conditions hold"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterTaintPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which conditions become which taints.
	Spec ClusterTaintPolicySpec `json:"spec"`

	// status is what the policy does now.
	// +optional
	Status ClusterTaintPolicyStatus `json:"status,omitempty"`
}

// ClusterTaintPolicyList is a list of ClusterTaintPolicies.
//
// +kubebuilder:object:root=true
type ClusterTaintPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterTaintPolicy `json:"items"`
}
