package interpreter

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Replicas is the number of replicas that an object asks for, and what one of them needs. Both are nil for
// kinds that cannot be divided: a DaemonSet follows the nodes, a bare Pod is one piece. A Job's replicas are
// the pods that it runs at a time.
func (i *Interpreter) Replicas(obj *unstructured.Unstructured) (*int32, *v1alpha1.ReplicaRequirements) {
	switch kindOf(obj) {
	case deployment, statefulSet, replicaSet:
		return bounded(numberOr(1, obj.Object, "spec", "replicas")), requirements(obj)
	case job:
		parallelism := numberOr(1, obj.Object, "spec", "parallelism")
		completions := numberOr(parallelism, obj.Object, "spec", "completions")
		return bounded(min(parallelism, completions)), requirements(obj)
	default:
		return nil, nil
	}
}

// bounded brings a number that no API server would have let in back into what the API can hold.
func bounded(n int64) *int32 {
	return ptr.To(int32(min(max(n, 0), 1<<31-1)))
}

// requirements reads what one pod of a workload needs from its pod template. A template that is no pod
// template gives none: the member will say what is wrong with it.
func requirements(obj *unstructured.Unstructured) *v1alpha1.ReplicaRequirements {
	fields, found, err := unstructured.NestedFieldNoCopy(obj.Object, "spec", "template", "spec")
	content, ok := fields.(map[string]any)
	if err != nil || !found || !ok {
		return nil
	}
	var spec corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &spec); err != nil {
		return nil
	}
	return PodRequirements(obj.GetNamespace(), &spec)
}

// PodRequirements is what a pod of this spec needs from a cluster.
func PodRequirements(namespace string, spec *corev1.PodSpec) *v1alpha1.ReplicaRequirements {
	return &v1alpha1.ReplicaRequirements{
		NodeClaim:         nodeClaim(spec),
		ResourceRequest:   resourceRequest(*spec),
		Namespace:         namespace,
		PriorityClassName: spec.PriorityClassName,
	}
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
