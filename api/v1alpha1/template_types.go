package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Wrapper is a ResourceTemplate or a ClusterResourceTemplate.
// +kubebuilder:object:generate=false
type Wrapper interface {
	metav1.Object
	runtime.Object
	// WrapperSpec is the wrapper's spec; it is not a copy.
	WrapperSpec() *ResourceTemplateSpec
	// WrapperStatus is the wrapper's status; it is not a copy.
	WrapperStatus() *ResourceTemplateStatus
}

var (
	_ Wrapper = &ResourceTemplate{}
	_ Wrapper = &ClusterResourceTemplate{}
)

// WrapperSpec implements Wrapper.
func (t *ResourceTemplate) WrapperSpec() *ResourceTemplateSpec { return &t.Spec }

// WrapperStatus implements Wrapper.
func (t *ResourceTemplate) WrapperStatus() *ResourceTemplateStatus { return &t.Status }

// WrapperSpec implements Wrapper.
func (t *ClusterResourceTemplate) WrapperSpec() *ResourceTemplateSpec { return &t.Spec }

// WrapperStatus implements Wrapper.
func (t *ClusterResourceTemplate) WrapperStatus() *ResourceTemplateStatus { return &t.Status }

// NewWrapper is an empty wrapper of the right kind: a ClusterResourceTemplate for an empty namespace, a ResourceTemplate
// otherwise.
func NewWrapper(namespace string) Wrapper {
	kind := WrapperKind(namespace).Kind
	if namespace == "" {
		return &ClusterResourceTemplate{TypeMeta: metav1.TypeMeta{APIVersion: GroupVersion.String(), Kind: kind}}
	}
	return &ResourceTemplate{TypeMeta: metav1.TypeMeta{APIVersion: GroupVersion.String(), Kind: kind}}
}

// WrapperKind is the kind that wraps objects of a namespace: ClusterResourceTemplate when it is empty, else ResourceTemplate.
func WrapperKind(namespace string) schema.GroupVersionKind {
	if namespace == "" {
		return GroupVersion.WithKind("ClusterResourceTemplate")
	}
	return GroupVersion.WithKind("ResourceTemplate")
}

// ResourceTemplateSpec holds what members get.
//
// +kubebuilder:validation:XValidation:rule="has(self.manifest.metadata) && has(self.manifest.metadata.name) && size(self.manifest.metadata.name) > 0",message="manifest.metadata.name is required"
// +kubebuilder:validation:XValidation:rule="self.manifest.kind != 'List'",message="manifest must be one object: wrap each object of a List in a template of its own"
// +kubebuilder:validation:XValidation:rule="!self.manifest.apiVersion.startsWith('flotilla.dev/')",message="manifest must not be one of Flotilla's own kinds"
// +kubebuilder:validation:XValidation:rule="!(self.manifest.apiVersion == 'v1' && self.manifest.kind in ['Event', 'Endpoints', 'Node']) && !self.manifest.apiVersion.startsWith('events.k8s.io/') && !self.manifest.apiVersion.startsWith('coordination.k8s.io/') && !self.manifest.apiVersion.startsWith('discovery.k8s.io/')",message="manifest must not be of a kind that each cluster makes for itself: Event, Lease, Node, Endpoints, EndpointSlice"
// +kubebuilder:validation:XValidation:rule="self.manifest.kind == oldSelf.manifest.kind && self.manifest.metadata.name == oldSelf.manifest.metadata.name",message="manifest: kind and metadata.name cannot be changed: delete the template and create another one"
// +kubebuilder:validation:XValidation:rule="self.manifest.apiVersion.contains('/') == oldSelf.manifest.apiVersion.contains('/') && (!self.manifest.apiVersion.contains('/') || self.manifest.apiVersion.split('/')[0] == oldSelf.manifest.apiVersion.split('/')[0])",message="manifest: the group in apiVersion cannot be changed: delete the template and create another one"
type ResourceTemplateSpec struct {
	// manifest is the object that members get, whole: apiVersion, kind, metadata.name and whatever its kind has. Its kind need not
	// exist on the host, only in the members. In a ResourceTemplate it lies in the template's own namespace (metadata.namespace
	// may be left out); in a ClusterResourceTemplate it has none. Of its metadata, name, namespace, labels and annotations count. At
	// most 1,310,720 bytes of JSON.
	// +kubebuilder:validation:EmbeddedResource
	// +kubebuilder:pruning:PreserveUnknownFields
	Manifest runtime.RawExtension `json:"manifest"`
}

// ResourceTemplateStatus is what became of a wrapped object.
type ResourceTemplateStatus struct {
	// observedGeneration is the generation of the spec that the conditions speak of. Written by wrapping.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Accepted (the object in here is what members get, as far as a policy selects it). Written by wrapping.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// manifest is the status of the wrapped object over all members, in the form that its kind has on a cluster. Written by
	// aggregation.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Manifest *runtime.RawExtension `json:"manifest,omitempty"`
}

// ResourceTemplate wraps an object that must not, or cannot, exist on the host itself, so that policies can bring it to members.
// Selectors, overrides and interpreters see the wrapped object as if it were a native one of this namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rt,categories={flotilla},scope=Namespaced
// +kubebuilder:printcolumn:name="Wraps",type=string,JSONPath=`.spec.manifest.kind`,description="kind of the wrapped object"
// +kubebuilder:printcolumn:name="As",type=string,JSONPath=`.spec.manifest.metadata.name`,description="name of the wrapped object"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ResourceTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec holds the wrapped object.
	// +kubebuilder:validation:XValidation:rule="!(self.manifest.kind in ['Namespace', 'PersistentVolume', 'ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition', 'StorageClass', 'IngressClass', 'PriorityClass', 'RuntimeClass', 'APIService', 'ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding', 'MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding'])",message="manifest is of a kind without namespaces: wrap it in a ClusterResourceTemplate"
	Spec ResourceTemplateSpec `json:"spec"`

	// status is what became of it.
	// +optional
	Status ResourceTemplateStatus `json:"status,omitempty"`
}

// ResourceTemplateList is a list of ResourceTemplates.
//
// +kubebuilder:object:root=true
type ResourceTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ResourceTemplate `json:"items"`
}

// ClusterResourceTemplate wraps an object without a namespace that must not, or cannot, exist on the host itself, so that
// ClusterPropagationPolicies can bring it to members.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=crt,categories={flotilla},scope=Cluster
// +kubebuilder:printcolumn:name="Wraps",type=string,JSONPath=`.spec.manifest.kind`,description="kind of the wrapped object"
// +kubebuilder:printcolumn:name="As",type=string,JSONPath=`.spec.manifest.metadata.name`,description="name of the wrapped object"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterResourceTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec holds the wrapped object.
	Spec ResourceTemplateSpec `json:"spec"`

	// status is what became of it.
	// +optional
	Status ResourceTemplateStatus `json:"status,omitempty"`
}

// ClusterResourceTemplateList is a list of ClusterResourceTemplates.
//
// +kubebuilder:object:root=true
type ClusterResourceTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterResourceTemplate `json:"items"`
}

// ConditionAccepted on a ResourceTemplate or ClusterResourceTemplate: the object in it is what members get, as far as a policy
// selects it (wrapping).
const ConditionAccepted = "Accepted"

// Reasons of the condition Accepted.
const (
	// ReasonWrapped: the wrapped object is the only one of its name.
	ReasonWrapped = "Wrapped"
	// ReasonHidesHostObject: the host has an object of that kind and name, too. What is wrapped is what members get.
	ReasonHidesHostObject = "HidesHostObject"
	// ReasonDuplicate: an older template wraps an object of that kind and name, too. That one is what members get.
	ReasonDuplicate = "Duplicate"
	// ReasonManifestTooLarge: the manifest is larger than what members can be given.
	ReasonManifestTooLarge = "ManifestTooLarge"
	// ReasonNotATemplate: objects of that kind or name are never propagated.
	ReasonNotATemplate = "NotATemplate"
)
