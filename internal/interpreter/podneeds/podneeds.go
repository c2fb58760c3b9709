package podneeds

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-helpers/resource"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Of is what a pod of this spec needs from a cluster.
func Of(namespace string, spec *corev1.PodSpec) *v1alpha1.ReplicaRequirements {
	return &v1alpha1.ReplicaRequirements{
		NodeClaim:         nodeClaim(spec),
		ResourceRequest:   resourceRequest(*spec),
		Namespace:         namespace,
		PriorityClassName: spec.PriorityClassName,
	}
}

// Spec reads a pod's spec from the fields of an object.
func Spec(fields map[string]any) (*corev1.PodSpec, error) {
	spec := &corev1.PodSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, spec); err != nil {
		return nil, fmt.Errorf("reading a pod's spec: %w", err)
	}
	return spec, nil
}

// resourceRequest follows the scheduler's rule: the containers and sidecars together, or the largest init
// container with the sidecars started before it, whichever is more, and the overhead.
func resourceRequest(spec corev1.PodSpec) corev1.ResourceList {
	requests := resource.PodRequests(&corev1.Pod{Spec: spec}, resource.PodResourcesOptions{})
	if len(requests) == 0 {
		return nil
	}
	return requests
}

func nodeClaim(spec *corev1.PodSpec) *v1alpha1.NodeClaim {
	claim := &v1alpha1.NodeClaim{NodeSelector: spec.NodeSelector, Tolerations: spec.Tolerations}
	if spec.Affinity != nil && spec.Affinity.NodeAffinity != nil {
		claim.HardNodeAffinity = spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	if claim.HardNodeAffinity == nil && len(claim.NodeSelector) == 0 && len(claim.Tolerations) == 0 {
		return nil
	}
	return claim
}
