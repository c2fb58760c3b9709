package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Policy is a PropagationPolicy or a ClusterPropagationPolicy.
// +kubebuilder:object:generate=false
type Policy interface {
	metav1.Object
	runtime.Object
	// PropagationSpec is the policy's spec; it is not a copy.
	PropagationSpec() *PropagationSpec
	// PropagationStatus is the policy's status; it is not a copy.
	PropagationStatus() *PropagationStatus
}

// Binding is a ResourceBinding or a ClusterResourceBinding.
// +kubebuilder:object:generate=false
type Binding interface {
	metav1.Object
	runtime.Object
	// BindingSpec is the binding's spec; it is not a copy.
	BindingSpec() *BindingSpec
	// BindingStatus is the binding's status; it is not a copy.
	BindingStatus() *BindingStatus
}

var (
	_ Policy  = &PropagationPolicy{}
	_ Policy  = &ClusterPropagationPolicy{}
	_ Binding = &ResourceBinding{}
	_ Binding = &ClusterResourceBinding{}
)

// PropagationSpec implements Policy.
func (p *PropagationPolicy) PropagationSpec() *PropagationSpec { return &p.Spec }

// PropagationStatus implements Policy.
func (p *PropagationPolicy) PropagationStatus() *PropagationStatus { return &p.Status }

// PropagationSpec implements Policy.
func (p *ClusterPropagationPolicy) PropagationSpec() *PropagationSpec { return &p.Spec }

// PropagationStatus implements Policy.
func (p *ClusterPropagationPolicy) PropagationStatus() *PropagationStatus { return &p.Status }

// BindingSpec implements Binding.
func (b *ResourceBinding) BindingSpec() *BindingSpec { return &b.Spec }

// BindingStatus implements Binding.
func (b *ResourceBinding) BindingStatus() *BindingStatus { return &b.Status }

// BindingSpec implements Binding.
func (b *ClusterResourceBinding) BindingSpec() *BindingSpec { return &b.Spec }

// BindingStatus implements Binding.
func (b *ClusterResourceBinding) BindingStatus() *BindingStatus { return &b.Status }

// NewBinding is an empty binding of the right kind: a ClusterResourceBinding for an empty namespace, a
// ResourceBinding otherwise.
func NewBinding(namespace string) Binding {
	if namespace == "" {
		return &ClusterResourceBinding{TypeMeta: metav1.TypeMeta{APIVersion: GroupVersion.String(), Kind: "ClusterResourceBinding"}}
	}
	return &ResourceBinding{TypeMeta: metav1.TypeMeta{APIVersion: GroupVersion.String(), Kind: "ResourceBinding"}}
}

// NewPolicy is an empty policy of the right kind: a ClusterPropagationPolicy for an empty namespace, a PropagationPolicy otherwise.
func NewPolicy(namespace string) Policy {
	if namespace == "" {
		return &ClusterPropagationPolicy{}
	}
	return &PropagationPolicy{}
}

// EventReference is a binding as events on its template name it, beside what they are about. It has the resource version: the
// API counts an event as a repetition, with the first one's words, when all but its words are the same.
func EventReference(b Binding) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: GroupVersion.String(), Kind: NewBinding(b.GetNamespace()).GetObjectKind().GroupVersionKind().Kind, Namespace: b.GetNamespace(), Name: b.GetName(), UID: b.GetUID(), ResourceVersion: b.GetResourceVersion(),
	}
}

// Divides says whether the replicas of the clusters add up to the template's. Without replicaScheduling they do not:
// every cluster has all of them. With it, Divided is the default. It may be asked of a nil placement.
func (p *Placement) Divides() bool {
	return p != nil && p.ReplicaScheduling != nil && p.ReplicaScheduling.ReplicaSchedulingType != Duplicated
}
