package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// WorkloadRebalancerSpec says which templates are to be placed anew, and how long the record of it is kept. Every
// change of it is a new request.
//
// +kubebuilder:validation:XValidation:rule="has(self.workloads) || has(self.selector)",message="name workloads, set selector, or both; an empty selector ({}) selects every template that has a placement"
type WorkloadRebalancerSpec struct {
	// workloads are templates by name. One without a binding is reported as failed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1024
	Workloads []WorkloadReference `json:"workloads,omitempty"`

	// selector selects templates that have a binding when the request begins.
	// +optional
	Selector *WorkloadSelector `json:"selector,omitempty"`

	// ttlSecondsAfterFinished deletes the WorkloadRebalancer that long after it has finished; 0 at once. Without
	// it, it stays.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// WorkloadReference names one template.
type WorkloadReference struct {
	// apiVersion of the template, such as "apps/v1". The version in it does not matter, the group does.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([a-z0-9.-]+/)?[a-z0-9]+$`
	APIVersion string `json:"apiVersion"`

	// kind of the template, such as "Deployment".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// namespace of the template; empty for cluster-scoped kinds.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the template.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// GroupVersionKind is the kind that the reference points at.
func (r WorkloadReference) GroupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(r.APIVersion, r.Kind)
}

// BindingKey is the namespace and name of the template's binding.
func (r WorkloadReference) BindingKey() types.NamespacedName {
	gvk := r.GroupVersionKind()
	return types.NamespacedName{Namespace: r.Namespace, Name: BindingName(gvk.Group, gvk.Kind, r.Name)}
}

// WorkloadSelector selects templates. All fields that are set must match.
type WorkloadSelector struct {
	// apiVersion of the templates, such as "apps/v1"; empty for any.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([a-z0-9.-]+/)?[a-z0-9]+$`
	APIVersion string `json:"apiVersion,omitempty"`

	// kind of the templates, such as "Deployment"; empty for any.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// namespaces of the templates; empty for any, cluster-scoped templates included.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// labelSelector selects templates by their own labels.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

// RebalanceResult is what became of one template of a request.
// +kubebuilder:validation:Enum=Pending;Successful;Failed
type RebalanceResult string

// The results.
const (
	// RebalancePending: the scheduler has been asked and has not decided yet.
	RebalancePending RebalanceResult = "Pending"
	// RebalanceSuccessful: the scheduler decided anew, whether that moved replicas or not.
	RebalanceSuccessful RebalanceResult = "Successful"
	// RebalanceFailed: the template was not placed anew; the reason says why.
	RebalanceFailed RebalanceResult = "Failed"
)

// Reasons of a RebalanceResult.
const (
	// ReasonRescheduleAsked: the scheduler has been asked.
	ReasonRescheduleAsked = "Asked"
	// ReasonRescheduled: the scheduler decided anew.
	ReasonRescheduled = "Rescheduled"
	// ReasonBindingNotFound: the template has no binding, so no policy selects it or it does not exist.
	ReasonBindingNotFound = "BindingNotFound"
	// ReasonNoPlacement: the template's binding has no placement.
	ReasonNoPlacement = "NoPlacement"
	// ReasonSchedulingSuspended: the scheduling of the template is suspended.
	ReasonSchedulingSuspended = "SchedulingSuspended"
	// ReasonNoAnswer: the template's scheduler has not decided within five minutes. The request stands.
	ReasonNoAnswer = "NoAnswer"
)

// ObservedWorkload is what became of one template of a request.
type ObservedWorkload struct {
	// workload is the template.
	Workload WorkloadReference `json:"workload"`

	// result is Pending, Successful or Failed.
	// +optional
	Result RebalanceResult `json:"result,omitempty"`

	// reason says why, in one word.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
}

// MaxObservedWorkloads is how many templates a WorkloadRebalancer's status names. The counts count all.
const MaxObservedWorkloads = 256

// WorkloadRebalancerStatus is how far a request is.
type WorkloadRebalancerStatus struct {
	// observedGeneration is the generation of the spec that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// startTime is when the request began. It is what the bindings' spec.rescheduleTriggeredAt is set to.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// finishTime is when the last template was placed anew or given up.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`

	// total is how many templates the request is about.
	// +optional
	Total int32 `json:"total"`

	// done is how many of them were placed anew.
	// +optional
	Done int32 `json:"done"`

	// failed is how many of them were not.
	// +optional
	Failed int32 `json:"failed"`

	// observedWorkloads are the templates: those that failed first, then those that are pending. Of a large
	// request only the first 256 are named.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	ObservedWorkloads []ObservedWorkload `json:"observedWorkloads,omitempty"`

	// conditions: Complete (every template was placed anew or given up) and Progressing.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WorkloadRebalancer asks the scheduler to place templates anew, as if it had never placed them. Editing its spec asks
// again.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=wr,categories={flotilla},scope=Cluster
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=`.status.total`,description="templates that the request is about"
// +kubebuilder:printcolumn:name="Done",type=integer,JSONPath=`.status.done`,description="templates that were placed anew"
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.failed`,description="templates that were not"
// +kubebuilder:printcolumn:name="Complete",type=string,JSONPath=`.status.conditions[?(@.type=="Complete")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Complete")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Complete")].message`,priority=1
// +kubebuilder:printcolumn:name="Started",type=date,JSONPath=`.status.startTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type WorkloadRebalancer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which templates.
	Spec WorkloadRebalancerSpec `json:"spec"`

	// status is how far it is.
	// +optional
	Status WorkloadRebalancerStatus `json:"status,omitempty"`
}

// WorkloadRebalancerList is a list of WorkloadRebalancers.
//
// +kubebuilder:object:root=true
type WorkloadRebalancerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WorkloadRebalancer `json:"items"`
}
