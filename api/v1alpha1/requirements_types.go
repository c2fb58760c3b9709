package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// ReplicaRequirements is what one replica needs from a cluster.
type ReplicaRequirements struct {
	// nodeClaim is what the replica asks of its node.
	// +optional
	NodeClaim *NodeClaim `json:"nodeClaim,omitempty"`

	// resourceRequest is the sum of the replica's resource requests.
	// +optional
	ResourceRequest corev1.ResourceList `json:"resourceRequest,omitempty"`

	// namespace of the replica.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// priorityClassName of the replica.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// NodeClaim is what a replica asks of its node.
type NodeClaim struct {
	// hardNodeAffinity is the required node affinity.
	// +optional
	HardNodeAffinity *corev1.NodeSelector `json:"hardNodeAffinity,omitempty"`

	// nodeSelector are the labels that the node must have.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations of the replica.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
}
