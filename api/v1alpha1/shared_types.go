package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// ObjectReference names one template.
type ObjectReference struct {
	// apiVersion of the template, such as "apps/v1".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
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

	// uid of the template. A template that was deleted and created again is another template.
	// +optional
	UID types.UID `json:"uid,omitempty"`

	// wrapper is the name of the ResourceTemplate (without a namespace: the ClusterResourceTemplate) that the template is
	// wrapped in; empty for a native object. The uid is the wrapper's.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Wrapper string `json:"wrapper,omitempty"`
}

// GroupVersionKind is the kind that the reference points at. An apiVersion that cannot be parsed gives
// a kind with an empty group and version.
func (r ObjectReference) GroupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(r.APIVersion, r.Kind)
}

// Key is the namespace and name that the reference points at.
func (r ObjectReference) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
}

// Holder is the object on the host that holds the template: the template itself, or its wrapper.
func (r ObjectReference) Holder() ObjectReference {
	if r.Wrapper == "" {
		return r
	}
	kind := WrapperKind(r.Namespace)
	return ObjectReference{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Namespace: r.Namespace, Name: r.Wrapper, UID: r.UID}
}

// Core is the reference to what holds the template, in the form in which events take it.
func (r ObjectReference) Core() *corev1.ObjectReference {
	r = r.Holder()
	return &corev1.ObjectReference{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, UID: r.UID}
}

// ResourceSelector selects templates. All fields that are set must match.
type ResourceSelector struct {
	// apiVersion of the templates, such as "apps/v1".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9.-]+/)?[a-z0-9]+$')",message="apiVersion must be a version (v1) or a group and a version (apps/v1)"
	APIVersion string `json:"apiVersion"`

	// kind of the templates, such as "Deployment".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// namespace of the templates. In a PropagationPolicy it may only be the policy's own namespace, which
	// is also the default. In a ClusterPropagationPolicy, empty means every namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of one template. When set, labelSelector is ignored.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// labelSelector selects templates by their labels. With neither name nor labelSelector, every
	// object of the kind is selected.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

// GroupVersionKind is the kind that the selector selects.
func (s ResourceSelector) GroupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(s.APIVersion, s.Kind)
}

// ClusterAffinity selects clusters. All fields that are set must match; exclude wins over everything.
// An empty ClusterAffinity selects every cluster.
type ClusterAffinity struct {
	// labelSelector selects clusters by their labels.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// fieldSelector selects clusters by provider, region and zone.
	// +optional
	FieldSelector *FieldSelector `json:"fieldSelector,omitempty"`

	// clusterNames selects clusters by name. Empty selects every name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=48
	ClusterNames []string `json:"clusterNames,omitempty"`

	// exclude names clusters that are never selected.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=48
	ExcludeClusters []string `json:"exclude,omitempty"`
}

// FieldSelector selects clusters by their provider, region and zone.
type FieldSelector struct {
	// matchExpressions must all match.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []FieldSelectorRequirement `json:"matchExpressions,omitempty"`
}

// FieldSelectorKey names a field of a Cluster.
// +kubebuilder:validation:Enum=provider;region;zone
type FieldSelectorKey string

// The fields of a Cluster that a FieldSelector knows.
const (
	// ProviderField is spec.provider.
	ProviderField FieldSelectorKey = "provider"
	// RegionField is spec.region.
	RegionField FieldSelectorKey = "region"
	// ZoneField is spec.zones: In matches when any zone is listed, NotIn when none is.
	ZoneField FieldSelectorKey = "zone"
)

// FieldSelectorOperator relates a field to values.
// +kubebuilder:validation:Enum=In;NotIn
type FieldSelectorOperator string

// The operators of a FieldSelector.
const (
	// FieldIn matches when the field has one of the values.
	FieldIn FieldSelectorOperator = "In"
	// FieldNotIn matches when the field has none of the values.
	FieldNotIn FieldSelectorOperator = "NotIn"
)

// FieldSelectorRequirement relates one field of a cluster to values.
type FieldSelectorRequirement struct {
	// key is the field: provider, region or zone.
	Key FieldSelectorKey `json:"key"`

	// operator is In or NotIn.
	Operator FieldSelectorOperator `json:"operator"`

	// values to compare with.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=63
	Values []string `json:"values"`
}
