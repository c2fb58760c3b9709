package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ResourceInterpreterSpec teaches a kind: each field is one operation. An operation that is left out means what it
// meant before: what Flotilla knows of the kind itself, or nothing.
//
// Expressions are CEL, with the functions that Kubernetes has in its own expressions, cel.bind, and lists and maps of
// mixed types. They see the object as "object". What a field of it may lack, they must ask for with has() or with
// optional access such as object.spec.?replicas.orValue(1).
//
// +kubebuilder:validation:XValidation:rule="!has(self.revise) || has(self.replicas)",message="revise needs replicas: without a number there is no share of it"
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || has(self.replicas.path) || has(self.revise)",message="replicas from an expression need revise, which says where a cluster's share is written"
// +kubebuilder:validation:XValidation:rule="!has(self.components) || !has(self.replicas)",message="replicas and components exclude each other: a kind has one kind of pod or several"
// +kubebuilder:validation:XValidation:rule="!has(self.requirements) || has(self.replicas)",message="requirements are those of one replica, so they need replicas"
type ResourceInterpreterSpec struct {
	// target is the kind that is taught.
	Target InterpreterTarget `json:"target"`

	// replicas is the number of replicas that an object asks for.
	// +optional
	Replicas *ReplicasRule `json:"replicas,omitempty"`

	// revise says where a cluster's share of the replicas is written; by default where replicas.path reads them.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Revise []ReviseRule `json:"revise,omitempty"`

	// requirements is what one replica needs.
	// +optional
	Requirements *RequirementsRule `json:"requirements,omitempty"`

	// components are the parts of a workload that has several kinds of pods. The expression returns a list of maps with
	// name, replicas and either podSpec (a pod's spec) or requests, nodeSelector, tolerations and priorityClassName.
	// +optional
	Components *ExpressionRule `json:"components,omitempty"`

	// health judges a member's object. The expression returns a bool, or one of "Healthy", "Unhealthy" and "Unknown".
	// +optional
	Health *ExpressionRule `json:"health,omitempty"`

	// status says what of a member's status is brought to the host.
	// +optional
	Status *StatusRule `json:"status,omitempty"`

	// aggregation says what the members' statuses add up to in the template's status.
	// +optional
	Aggregation *AggregationRule `json:"aggregation,omitempty"`

	// dependencies are the objects that go where this one goes when a policy sets propagateDeps, beside those that its
	// pods mention. The expression returns a list of maps with apiVersion, kind, and name or labelSelector; all are
	// in the object's namespace.
	// +optional
	Dependencies *ExpressionRule `json:"dependencies,omitempty"`
}

// AnyVersion in place of the version of an InterpreterTarget's apiVersion means each version of the group.
const AnyVersion = "*"

// InterpreterTarget names a kind.
type InterpreterTarget struct {
	// apiVersion of the kind, such as "argoproj.io/v1alpha1". "argoproj.io/*" is every version of the group; one that
	// names a version goes before it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9.-]+/)?([a-z0-9]+|[*])$')",message="apiVersion must be a version (v1), a group and a version (apps/v1), or a group and * (apps/*)"
	APIVersion string `json:"apiVersion"`

	// kind, such as "Rollout".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
}

// GroupVersionKind is the kind; its version is AnyVersion when the target is every version.
func (t InterpreterTarget) GroupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(t.APIVersion, t.Kind)
}

// Covers tells whether the target means objects of a kind.
func (t InterpreterTarget) Covers(gvk schema.GroupVersionKind) bool {
	target := t.GroupVersionKind()
	return target.GroupKind() == gvk.GroupKind() && (target.Version == AnyVersion || target.Version == gvk.Version)
}

// ReplicasRule says how many replicas an object asks for.
//
// +kubebuilder:validation:XValidation:rule="has(self.path) != has(self.expression)",message="set either path or expression"
// +kubebuilder:validation:XValidation:rule="!has(self.defaultValue) || has(self.path)",message="defaultValue is for path: an expression has its own default"
type ReplicasRule struct {
	// path of the field, from the object's root, such as "spec.replicas".
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$`
	Path string `json:"path,omitempty"`

	// expression returns an int.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Expression string `json:"expression,omitempty"`

	// defaultValue counts when the field at path is absent; 1 when left out.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DefaultValue *int32 `json:"defaultValue,omitempty"`
}

// ReviseKind says what is written into a field.
// +kubebuilder:validation:Enum=Replicas;Proportion
type ReviseKind string

// The kinds of revision.
const (
	// ReviseReplicas writes the cluster's replicas.
	ReviseReplicas ReviseKind = "Replicas"
	// ReviseProportion divides the number that is there in proportion to the clusters' replicas, when they are
	// divided; the parts add up to it. A field that is absent stays so.
	ReviseProportion ReviseKind = "Proportion"
)

// ReviseRule writes a cluster's share into one field.
type ReviseRule struct {
	// path of the field, from the object's root, such as "spec.replicas".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$`
	Path string `json:"path"`

	// write is what is written: Replicas, the cluster's replicas, or Proportion, the cluster's part of the number that
	// is there. Replicas when left out.
	// +optional
	Write ReviseKind `json:"write,omitempty"`
}

// RequirementsRule says what one replica needs.
//
// +kubebuilder:validation:XValidation:rule="has(self.podSpecPath) != has(self.expression)",message="set either podSpecPath or expression"
type RequirementsRule struct {
	// podSpecPath is where the spec of the pods is, from the object's root, such as "spec.template.spec".
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$`
	PodSpecPath string `json:"podSpecPath,omitempty"`

	// expression returns a map with either podSpec (a pod's spec) or requests (resource names to quantities),
	// nodeSelector, tolerations and priorityClassName.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Expression string `json:"expression,omitempty"`
}

// ExpressionRule is one expression.
type ExpressionRule struct {
	// expression is CEL.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Expression string `json:"expression"`
}

// StatusRule names fields of a status.
type StatusRule struct {
	// fields are paths within the status, such as "replicas" or "rollout.phase". What is not named stays in the
	// member. Of "conditions", what changes without saying anything (times) is left out.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$`
	Fields []string `json:"fields"`
}

// AggregationRule says what the members' statuses add up to.
//
// +kubebuilder:validation:XValidation:rule="has(self.fields) != has(self.expression)",message="set either fields or expression"
type AggregationRule struct {
	// fields are aggregated one by one. The template's status has these fields only.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Fields []AggregatedField `json:"fields,omitempty"`

	// expression returns the template's whole status. It sees "template", "items" (a list with cluster, status and
	// upToDate of each target cluster, ordered by name; status is {} while the cluster is silent) and "divided" (whether
	// the clusters share the replicas).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Expression string `json:"expression,omitempty"`
}

// FieldAggregation says what the values of one field add up to.
// +kubebuilder:validation:Enum=Replicas;Sum;Min;Max;First;Worst;And;Or;Generation;Conditions
type FieldAggregation string

// The ways to aggregate a field.
const (
	// AggregateReplicas is the sum when the clusters share the replicas, else the least: how far the cluster is that
	// is furthest behind.
	AggregateReplicas FieldAggregation = "Replicas"
	// AggregateSum adds numbers up.
	AggregateSum FieldAggregation = "Sum"
	// AggregateMin is the least value; numbers, or strings such as times. A silent cluster does not count.
	AggregateMin FieldAggregation = "Min"
	// AggregateMax is the greatest value; numbers, or strings such as times. A silent cluster does not count.
	AggregateMax FieldAggregation = "Max"
	// AggregateFirst is the value of the first cluster, by name, that has one.
	AggregateFirst FieldAggregation = "First"
	// AggregateWorst is the first value of order that any cluster has. While a cluster is silent, the last of order, which
	// is the best, does not count, and the field stays as it was.
	AggregateWorst FieldAggregation = "Worst"
	// AggregateAnd is true when it is true in every cluster.
	AggregateAnd FieldAggregation = "And"
	// AggregateOr is true when it is true in any cluster.
	AggregateOr FieldAggregation = "Or"
	// AggregateGeneration is the template's generation once every cluster is up to date, what it was until then.
	AggregateGeneration FieldAggregation = "Generation"
	// AggregateConditions has, for each type of condition, True when it is so in every cluster; of the types in
	// anyOf, when it is so in any.
	AggregateConditions FieldAggregation = "Conditions"
)

// AggregatedField says what the values of one field add up to.
//
// +kubebuilder:validation:XValidation:rule="!has(self.anyOf) || self.rule == 'Conditions'",message="anyOf is for the rule Conditions"
// +kubebuilder:validation:XValidation:rule="has(self.order) == (self.rule == 'Worst')",message="order is for the rule Worst, which needs it"
type AggregatedField struct {
	// path within the status, such as "readyReplicas".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$`
	Path string `json:"path"`

	// rule is Replicas, Sum, Min, Max, First, Worst, And, Or, Generation or Conditions.
	Rule FieldAggregation `json:"rule"`

	// order has the values that matter, the worst first, such as "Failed", "Running", "Succeeded".
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=256
	Order []string `json:"order,omitempty"`

	// anyOf are types of conditions that say that something is wrong, such as "Stalled": they are True as soon as they
	// are in one cluster.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=316
	AnyOf []string `json:"anyOf,omitempty"`
}

// ConditionEvaluationFailed on a ResourceInterpreter: an expression failed on some object. It is there from the first
// failure on until the spec changes (interpretation).
const ConditionEvaluationFailed = "EvaluationFailed"

// ConditionInterpreted on a binding is there only when it is False: the ResourceInterpreter of the template's kind
// could not tell the replicas or the components (propagation).
const ConditionInterpreted = "Interpreted"

// Reasons of a ResourceInterpreter's condition Ready, EvaluationFailed and of a binding's condition Interpreted.
const (
	// ReasonTaught: every operation is in use.
	ReasonTaught = "Taught"
	// ReasonInvalidExpression: an expression does not compile, returns the wrong type or may cost too much. The
	// operations that the message names fail until it is corrected: what is known already stays.
	ReasonInvalidExpression = "InvalidExpression"
	// ReasonAlreadyTaught: an older ResourceInterpreter teaches the same operation of the same kind; that one counts.
	ReasonAlreadyTaught = "AlreadyTaught"
	// ReasonEvaluationFailed: an expression failed on an object.
	ReasonEvaluationFailed = "EvaluationFailed"
)

// ResourceInterpreterStatus says whether an interpreter can be used.
type ResourceInterpreterStatus struct {
	// observedGeneration is the generation of the spec that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// operations that are taught.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Operations []string `json:"operations,omitempty"`

	// conditions: Ready (every expression compiles and every operation is in use) and EvaluationFailed.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ResourceInterpreter teaches Flotilla what a kind means: its replicas and what they need, its health, what of its
// status is brought back and what it adds up to, and what it depends on.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ri,categories={flotilla},scope=Cluster
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.target.kind`
// +kubebuilder:printcolumn:name="API version",type=string,JSONPath=`.spec.target.apiVersion`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Failed",type=string,JSONPath=`.status.conditions[?(@.type=="EvaluationFailed")].status`,description="whether an expression failed on an object"
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ResourceInterpreter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is taught.
	Spec ResourceInterpreterSpec `json:"spec"`

	// status says whether it can be used.
	// +optional
	Status ResourceInterpreterStatus `json:"status,omitempty"`
}

// ResourceInterpreterList is a list of ResourceInterpreters.
//
// +kubebuilder:object:root=true
type ResourceInterpreterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ResourceInterpreter `json:"items"`
}
