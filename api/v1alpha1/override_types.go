package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// OverrideOperator says what an overrider does.
// +kubebuilder:validation:Enum=add;remove;replace
type OverrideOperator string

// The operators.
const (
	// OverrideAdd adds the value.
	OverrideAdd OverrideOperator = "add"
	// OverrideRemove removes the value.
	OverrideRemove OverrideOperator = "remove"
	// OverrideReplace puts the value in the place of another.
	OverrideReplace OverrideOperator = "replace"
)

// ImageComponent is a part of an image's name, registry/repository:tag@digest.
// +kubebuilder:validation:Enum=Registry;Repository;Tag;Digest
type ImageComponent string

// The components.
const (
	// ImageRegistry is the host, with its port if it has one, such as registry.example.com:5000.
	ImageRegistry ImageComponent = "Registry"
	// ImageRepository is the path, such as library/nginx.
	ImageRepository ImageComponent = "Repository"
	// ImageTag is what follows the colon, such as 1.27.
	ImageTag ImageComponent = "Tag"
	// ImageDigest is what follows the @, such as sha256:0123...
	ImageDigest ImageComponent = "Digest"
)

// OverrideSpec says what differs in which clusters.
type OverrideSpec struct {
	// resourceSelectors select the templates. A template that any of them matches is selected; without
	// selectors every template is.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	ResourceSelectors []ResourceSelector `json:"resourceSelectors,omitempty"`

	// overrideRules are applied in their order.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	OverrideRules []OverrideRule `json:"overrideRules"`
}

// OverrideRule is what differs in some clusters.
type OverrideRule struct {
	// targetCluster selects the clusters; without it, all of them.
	// +optional
	TargetCluster *ClusterAffinity `json:"targetCluster,omitempty"`

	// overriders are what differs. Values may name the cluster: ${cluster.name}, ${cluster.region},
	// ${cluster.zone}, ${cluster.provider}, ${cluster.labels[KEY]} and ${cluster.annotations[KEY]}. A cluster that
	// lacks what is named is an error for that cluster; $${ stands for ${.
	Overriders Overriders `json:"overriders"`
}

// Overriders are what differs. They are applied in the order of the fields here.
//
// +kubebuilder:validation:MinProperties=1
type Overriders struct {
	// imageOverrider changes parts of images' names.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	ImageOverrider []ImageOverrider `json:"imageOverrider,omitempty"`

	// commandOverrider changes the command of containers.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	CommandOverrider []CommandArgsOverrider `json:"commandOverrider,omitempty"`

	// argsOverrider changes the args of containers.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	ArgsOverrider []CommandArgsOverrider `json:"argsOverrider,omitempty"`

	// labelsOverrider changes the object's own labels.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	LabelsOverrider []LabelAnnotationOverrider `json:"labelsOverrider,omitempty"`

	// annotationsOverrider changes the object's own annotations.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	AnnotationsOverrider []LabelAnnotationOverrider `json:"annotationsOverrider,omitempty"`

	// fieldOverrider changes documents in JSON or YAML that are the text of a field, such as in a ConfigMap.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	FieldOverrider []FieldOverrider `json:"fieldOverrider,omitempty"`

	// patches are strategic merge patches or lists of JSON patch operations, as in a kustomization.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Patches []OverridePatch `json:"patches,omitempty"`

	// plaintext are JSON patch operations (RFC 6902).
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Plaintext []PlaintextOverrider `json:"plaintext,omitempty"`
}

// PlaintextOverrider is a JSON patch operation. As in the peer's API, replace and remove want the path to exist.
type PlaintextOverrider struct {
	// path of the field, as a JSON pointer (RFC 6901).
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(/([^~/]|~0|~1)*)+$`
	Path string `json:"path"`

	// operator says what happens there.
	Operator OverrideOperator `json:"operator"`

	// value of any type; required for add and replace, and left out for remove. (The API server cannot check that: the
	// condition Ready does.)
	// +optional
	Value *apiextensionsv1.JSON `json:"value,omitempty"`
}

// ImageOverrider changes one part of images' names.
//
// +kubebuilder:validation:XValidation:rule="self.operator == 'remove' ? !has(self.value) : has(self.value) && size(self.value) > 0",message="value is required for add and replace, and must be left out for remove"
// +kubebuilder:validation:XValidation:rule="self.operator != 'remove' || self.component != 'Repository'",message="component Repository cannot be removed: an image has no name without it"
type ImageOverrider struct {
	// predicate says which image. Without it, those of all containers, init containers and ephemeral containers of a
	// kind with pods are changed.
	// +optional
	Predicate *ImagePredicate `json:"predicate,omitempty"`

	// component is the part to change.
	Component ImageComponent `json:"component"`

	// operator: replace sets the part, remove takes it away, add appends the value to it.
	Operator OverrideOperator `json:"operator"`

	// value of the part.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Value string `json:"value,omitempty"`
}

// ImagePredicate says which image.
type ImagePredicate struct {
	// path of the field that holds the image's name, as a JSON pointer (RFC 6901).
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(/([^~/]|~0|~1)*)+$`
	Path string `json:"path"`
}

// CommandArgsOverrider changes the command or the args of a container.
//
// +kubebuilder:validation:XValidation:rule="self.operator != 'replace'",message="operator must be add or remove"
type CommandArgsOverrider struct {
	// containerName names the container, or init container. It must exist.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ContainerName string `json:"containerName"`

	// operator: add appends the values, remove takes away every value that is equal to one of them.
	Operator OverrideOperator `json:"operator"`

	// value are the words.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=4096
	Value []string `json:"value"`
}

// LabelAnnotationOverrider changes labels or annotations.
type LabelAnnotationOverrider struct {
	// operator: add sets the pairs, replace sets those whose key exists, remove takes the keys away.
	Operator OverrideOperator `json:"operator"`

	// value are the pairs. For remove only the keys count.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	Value map[string]string `json:"value"`
}

// FieldOverrider changes a document that is the text of a field.
//
// +kubebuilder:validation:XValidation:rule="has(self.json) != has(self.yaml)",message="give either json or yaml operations"
type FieldOverrider struct {
	// fieldPath of the field that holds the document, as a JSON pointer (RFC 6901).
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(/([^~/]|~0|~1)*)+$`
	FieldPath string `json:"fieldPath"`

	// json are operations on a document in JSON.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	JSON []DocumentOperation `json:"json,omitempty"`

	// yaml are operations on a document in YAML. A text with several documents is refused.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	YAML []DocumentOperation `json:"yaml,omitempty"`
}

// DocumentOperation is a JSON patch operation within a document.
type DocumentOperation struct {
	// subPath of the field in the document, as a JSON pointer (RFC 6901).
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(/([^~/]|~0|~1)*)+$`
	SubPath string `json:"subPath"`

	// operator says what happens there.
	Operator OverrideOperator `json:"operator"`

	// value of any type; required for add and replace, and left out for remove. (The API server cannot check that: the
	// condition Ready does.)
	// +optional
	Value *apiextensionsv1.JSON `json:"value,omitempty"`
}

// OverridePatch is a patch as in a kustomization.
type OverridePatch struct {
	// target narrows the templates that the policy selects; without it the patch is for all of them.
	// +optional
	Target *PatchTarget `json:"target,omitempty"`

	// patch in YAML or JSON: an object is a strategic merge patch (for kinds that Kubernetes does not know, a JSON merge
	// patch), a list is a list of JSON patch operations (RFC 6902).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	Patch string `json:"patch"`
}

// PatchTarget narrows templates; what is left out matches everything.
type PatchTarget struct {
	// group of the API.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`

	// version of the API.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Version string `json:"version,omitempty"`

	// kind of the template.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// name of the template.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// labelSelector selects by the template's labels.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

// OverrideStatus says whether an override policy works.
type OverrideStatus struct {
	// observedGeneration is the generation of the spec that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// matched is the number of propagated templates that the policy selects.
	// +optional
	Matched int32 `json:"matched"`

	// failed is the number of those for which it fails in some cluster.
	// +optional
	Failed int32 `json:"failed"`

	// failures are the first ten of them, in the order of their names.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Failures []OverrideFailure `json:"failures,omitempty"`

	// conditions: Ready (the policy can be understood, and fails for no template).
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// OverrideFailure is a template for which a policy fails in a cluster.
type OverrideFailure struct {
	// kind of the template.
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// namespace of the template; empty for a cluster-scoped one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the template.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// cluster in which it fails.
	// +kubebuilder:validation:MaxLength=48
	Cluster string `json:"cluster"`

	// message says where in the policy, and why.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// OverridePolicy says what differs per cluster for templates of its namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=op,categories={flotilla}
// +kubebuilder:printcolumn:name="Matched",type=integer,JSONPath=`.status.matched`
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.failed`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type OverridePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what differs in which clusters.
	Spec OverrideSpec `json:"spec"`

	// status says whether the policy works.
	// +optional
	Status OverrideStatus `json:"status,omitempty"`
}

// ClusterOverridePolicy says what differs per cluster for templates of all namespaces, and for cluster-scoped ones. It is
// applied before the OverridePolicies of a template's namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=cop,categories={flotilla}
// +kubebuilder:printcolumn:name="Matched",type=integer,JSONPath=`.status.matched`
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.failed`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterOverridePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what differs in which clusters.
	Spec OverrideSpec `json:"spec"`

	// status says whether the policy works.
	// +optional
	Status OverrideStatus `json:"status,omitempty"`
}

// OverridePolicyList is a list of OverridePolicies.
//
// +kubebuilder:object:root=true
type OverridePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OverridePolicy `json:"items"`
}

// ClusterOverridePolicyList is a list of ClusterOverridePolicies.
//
// +kubebuilder:object:root=true
type ClusterOverridePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterOverridePolicy `json:"items"`
}

// Override is an OverridePolicy or a ClusterOverridePolicy.
// +kubebuilder:object:generate=false
type Override interface {
	metav1.Object
	runtime.Object
	// OverrideSpec is the policy's spec; it is not a copy.
	OverrideSpec() *OverrideSpec
	// OverrideStatus is the policy's status; it is not a copy.
	OverrideStatus() *OverrideStatus
}

var (
	_ Override = &OverridePolicy{}
	_ Override = &ClusterOverridePolicy{}
)

// OverrideSpec implements Override.
func (o *OverridePolicy) OverrideSpec() *OverrideSpec { return &o.Spec }

// OverrideStatus implements Override.
func (o *OverridePolicy) OverrideStatus() *OverrideStatus { return &o.Status }

// OverrideSpec implements Override.
func (o *ClusterOverridePolicy) OverrideSpec() *OverrideSpec { return &o.Spec }

// OverrideStatus implements Override.
func (o *ClusterOverridePolicy) OverrideStatus() *OverrideStatus { return &o.Status }
