package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SyncMode says who connects to whom.
// +kubebuilder:validation:Enum=Push;Pull
type SyncMode string

// The sync modes.
const (
	// Push: the manager connects to the member.
	Push SyncMode = "Push"
	// Pull: an agent in the member connects to the host. Not yet honoured.
	Pull SyncMode = "Pull"
)

// ClusterDeletionPolicy says what happens to the member's objects when its Cluster is deleted.
// +kubebuilder:validation:Enum=Remove;Keep
type ClusterDeletionPolicy string

// The deletion policies.
const (
	// RemoveObjects removes everything that Flotilla put into the member.
	RemoveObjects ClusterDeletionPolicy = "Remove"
	// KeepObjects leaves propagated objects in the member without Flotilla's marks; they belong to the
	// member from then on.
	KeepObjects ClusterDeletionPolicy = "Keep"
)

// CapacitySource says how a member's room for replicas is found out.
// +kubebuilder:validation:Enum=nodes;summary;none
type CapacitySource string

// The capacity sources.
const (
	// CapacityNodes looks at every node and pod of the member.
	CapacityNodes CapacitySource = "nodes"
	// CapacitySummary looks at the sums in the Cluster's status.resourceSummary.
	CapacitySummary CapacitySource = "summary"
	// CapacityNone takes the member's room as endless.
	CapacityNone CapacitySource = "none"
)

// ClusterSpec says how to reach a member, and what it is.
type ClusterSpec struct {
	// id is the UID of the member's kube-system namespace. Set when the member joins; two Clusters with
	// the same id are refused.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="oldSelf == '' || self == oldSelf",message="id cannot be changed: a Cluster stays the cluster that joined"
	ID string `json:"id,omitempty"`

	// syncMode is Push (the manager connects to the member) or Pull (an agent in the member connects to
	// the host). Pull is not yet honoured.
	// +optional
	// +kubebuilder:default=Push
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="syncMode cannot be changed: unjoin the cluster and join it again"
	SyncMode SyncMode `json:"syncMode,omitempty"`

	// apiEndpoint is the URL of the member's API server. It may be left out when the credentials Secret
	// holds a kubeconfig.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://[^[:space:]]+$')",message="apiEndpoint must be an https:// URL"
	APIEndpoint string `json:"apiEndpoint,omitempty"`

	// secretRef names the Secret with the member's credentials, in the member's execution namespace
	// (flotilla-es-<cluster>). Keys: kubeconfig, or token and caBundle. Default: credentials.
	// +optional
	SecretRef *CredentialsReference `json:"secretRef,omitempty"`

	// insecureSkipTLSVerification turns off the check of the member's certificate. For tests only.
	// +optional
	InsecureSkipTLSVerification bool `json:"insecureSkipTLSVerification,omitempty"`

	// proxyURL is a proxy on the way to the member.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^(http|https|socks5)://[^[:space:]]+$')",message="proxyURL must be an http://, https:// or socks5:// URL"
	ProxyURL string `json:"proxyURL,omitempty"`

	// proxyHeader are headers for the proxy's CONNECT request.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	ProxyHeader map[string]string `json:"proxyHeader,omitempty"`

	// provider of the member, for affinities and spread constraints.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="provider must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
	Provider string `json:"provider,omitempty"`

	// region of the member, for affinities and spread constraints.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",message="region must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
	Region string `json:"region,omitempty"`

	// zones of the member, for affinities and spread constraints.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.all(z, z.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))",message="each of zones must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
	Zones []string `json:"zones,omitempty"`

	// taints keep templates without a matching toleration away. The effect PreferNoSchedule is not
	// supported; NoExecute also counts as NoSchedule, and evicts with the feature gate Failover. The manager adds
	// cluster.flotilla.dev/not-ready and cluster.flotilla.dev/unreachable, and what ClusterTaintPolicies say; it never
	// changes other taints.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.effect in ['NoSchedule', 'NoExecute'])",message="the effect of a cluster taint must be NoSchedule or NoExecute"
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.key != '')",message="the key of a cluster taint must not be empty"
	Taints []corev1.Taint `json:"taints,omitempty"`

	// capacity says how the member's room for replicas is found out: nodes looks at every node and pod,
	// summary at the sums in status.resourceSummary, none takes the member's room as endless. Default: what the
	// manager's configuration says (scheduling.capacity), which is nodes unless changed.
	// +optional
	Capacity CapacitySource `json:"capacity,omitempty"`

	// resourceModels group nodes by their free resources, so that the summary tells how many replicas fit on
	// single nodes. They count with capacity: summary; left out, nine grades of cpu and memory count. A node is of
	// the highest grade of which it has the min of every resource.
	// +optional
	// +listType=map
	// +listMapKey=grade
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(m, size(m.ranges) == size(self[0].ranges) && m.ranges.all(r, self[0].ranges.exists(f, f.name == r.name)))",message="every grade must have a range for the same resources as the first"
	ResourceModels []ResourceModel `json:"resourceModels,omitempty"`

	// deletionPolicy says what happens to the member's objects when this Cluster is deleted: Remove
	// removes them, Keep leaves them to the member.
	// +optional
	// +kubebuilder:default=Remove
	DeletionPolicy ClusterDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// CapacityFrom is where the member's room is found out: spec.capacity, or else what is the default.
func (s *ClusterSpec) CapacityFrom(otherwise CapacitySource) CapacitySource {
	if s.Capacity != "" {
		return s.Capacity
	}
	return otherwise
}

// CredentialsReference names a Secret in the member's execution namespace.
type CredentialsReference struct {
	// name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// ResourceModel is one size of node.
type ResourceModel struct {
	// grade orders the sizes, from small to large.
	// +kubebuilder:validation:Minimum=0
	Grade int32 `json:"grade"`

	// ranges bound the size in each resource.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Ranges []ResourceModelRange `json:"ranges"`
}

// ResourceModelRange bounds one resource of a size.
type ResourceModelRange struct {
	// name of the resource, such as cpu.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Name corev1.ResourceName `json:"name"`

	// min is the smallest amount.
	Min resource.Quantity `json:"min"`

	// max is the amount that is no longer in the range.
	Max resource.Quantity `json:"max"`
}

// ClusterStatus is what the manager knows of a member. Written by the cluster controller, taintTimes and the condition Tainted
// by the tainting controller.
type ClusterStatus struct {
	// observedGeneration is the generation of the spec that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// kubernetesVersion of the member, such as "v1.37.1".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// apiEnablements are the APIs that the member serves.
	// +optional
	// +listType=map
	// +listMapKey=groupVersion
	// +kubebuilder:validation:MaxItems=2048
	APIEnablements []APIEnablement `json:"apiEnablements,omitempty"`

	// nodeSummary counts nodes.
	// +optional
	NodeSummary *NodeSummary `json:"nodeSummary,omitempty"`

	// resourceSummary adds up resources.
	// +optional
	ResourceSummary *ResourceSummary `json:"resourceSummary,omitempty"`

	// probe is the state of the hysteresis behind the condition Ready.
	// +optional
	Probe *ProbeStatus `json:"probe,omitempty"`

	// taintTimes are when the manager first saw taints that evict and that have no timeAdded.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +kubebuilder:validation:MaxItems=64
	TaintTimes []TaintTime `json:"taintTimes,omitempty"`

	// conditions: Ready (the member answers and its credentials work), APIsComplete (every API group of the
	// member could be listed), FieldsHonored (every field that is set has an effect in this version), and, on a cluster
	// that has an automatic taint, Tainted (why, and what follows).
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// APIEnablement is one group and version that a member serves.
type APIEnablement struct {
	// groupVersion, such as "apps/v1".
	// +kubebuilder:validation:MaxLength=317
	GroupVersion string `json:"groupVersion"`

	// resources of the group and version.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	Resources []APIResource `json:"resources,omitempty"`
}

// APIResource is one resource that a member serves.
type APIResource struct {
	// name of the resource, such as "deployments".
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// kind of the resource, such as "Deployment".
	// +kubebuilder:validation:MaxLength=253
	Kind string `json:"kind"`
}

// NodeSummary counts a member's nodes.
type NodeSummary struct {
	// totalNum is the number of nodes.
	// +optional
	TotalNum int32 `json:"totalNum"`

	// readyNum is the number of nodes that are Ready.
	// +optional
	ReadyNum int32 `json:"readyNum"`
}

// ResourceSummary adds up a member's resources over its nodes that are Ready and not cordoned.
type ResourceSummary struct {
	// allocatable is what the nodes offer.
	// +optional
	Allocatable corev1.ResourceList `json:"allocatable,omitempty"`

	// allocating is what pods without a node ask for.
	// +optional
	Allocating corev1.ResourceList `json:"allocating,omitempty"`

	// allocated is what pods on these nodes ask for.
	// +optional
	Allocated corev1.ResourceList `json:"allocated,omitempty"`

	// allocatableModelings count the nodes of each grade of spec.resourceModels, by what is free on them.
	// +optional
	// +listType=map
	// +listMapKey=grade
	// +kubebuilder:validation:MaxItems=64
	AllocatableModelings []AllocatableModeling `json:"allocatableModelings,omitempty"`
}

// AllocatableModeling counts the nodes of one grade.
type AllocatableModeling struct {
	// grade of spec.resourceModels.
	// +kubebuilder:validation:Minimum=0
	Grade int32 `json:"grade"`

	// count is the number of nodes whose free resources are of the grade.
	// +kubebuilder:validation:Minimum=0
	Count int32 `json:"count"`
}

// ProbeStatus is the state of the hysteresis behind the condition Ready: since when the member answers, or
// does not answer, in a row. It is kept here so that a restart of the manager does not forget it.
type ProbeStatus struct {
	// outcome of the last probe: True when the member answered.
	Outcome metav1.ConditionStatus `json:"outcome"`

	// since is when the outcome last changed.
	Since metav1.Time `json:"since"`

	// way identifies how the member was reached: a hash of the fields of the spec that say it. An answer by another way
	// counts at once.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Way string `json:"way,omitempty"`
}

// TaintTime is when a taint was first seen.
type TaintTime struct {
	// key of the taint.
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key"`

	// effect of the taint.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	Effect corev1.TaintEffect `json:"effect"`

	// since is when it was first seen.
	Since metav1.Time `json:"since"`
}

// Cluster is a member cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fcl,categories={flotilla},scope=Cluster
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 48",message="the name of a Cluster must not be longer than 48 characters"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="the name of a Cluster must be a DNS label: lower case letters, digits and dashes"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.syncMode`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.kubernetesVersion`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodeSummary.readyNum`
// +kubebuilder:printcolumn:name="Taint",type=string,JSONPath=`.spec.taints[0].key`,description="the first of its taints"
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`,priority=1
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`,priority=1
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.apiEndpoint`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Cluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says how to reach the member, and what it is.
	// +optional
	Spec ClusterSpec `json:"spec,omitempty"`

	// status is what the manager knows of the member.
	// +optional
	Status ClusterStatus `json:"status,omitempty"`
}

// ClusterList is a list of Clusters.
//
// +kubebuilder:object:root=true
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cluster `json:"items"`
}
