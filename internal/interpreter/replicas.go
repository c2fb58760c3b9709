package interpreter

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/podneeds"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// Replicas is the number of replicas that an object asks for, and what one of them needs. Both are nil for
// kinds that cannot be divided: a DaemonSet follows the nodes, a bare Pod is one piece, and of what has several kinds of
// pods Components tells. A Job's replicas are the pods that it runs at a time. The error is that of the
// ResourceInterpreter that teaches the kind.
func (i *Interpreter) Replicas(obj *unstructured.Unstructured) (*int32, *v1alpha1.ReplicaRequirements, error) {
	if m := i.meaning(obj, taught.Replicas); m != nil {
		pods, err := m.Pods(obj)
		if err != nil || len(pods) != 1 || pods[0].Name != "" {
			return nil, nil, err
		}
		return &pods[0].Replicas, pods[0].Requirements, nil
	}
	switch kindOf(obj) {
	case deployment, statefulSet, replicaSet:
		return bounded(numberOr(1, obj.Object, "spec", "replicas")), requirements(obj), nil
	case job:
		parallelism := numberOr(1, obj.Object, "spec", "parallelism")
		completions := numberOr(parallelism, obj.Object, "spec", "completions")
		return bounded(min(parallelism, completions)), requirements(obj), nil
	default:
		return nil, nil, nil
	}
}

// Components are the parts of an object that has several kinds of pods; nil for other objects. The error is that of the
// ResourceInterpreter that teaches the kind.
func (i *Interpreter) Components(obj *unstructured.Unstructured) ([]v1alpha1.Component, error) {
	m := i.meaning(obj, taught.Replicas)
	if m == nil {
		return nil, nil
	}
	pods, err := m.Pods(obj)
	if err != nil {
		return nil, err
	}
	var components []v1alpha1.Component
	for _, part := range pods {
		if part.Name != "" {
			components = append(components, v1alpha1.Component{Name: part.Name, Replicas: part.Replicas, ReplicaRequirements: part.Requirements})
		}
	}
	return components, nil
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
	spec, err := podneeds.Spec(content)
	if err != nil {
		return nil
	}
	return podneeds.Of(obj.GetNamespace(), spec)
}

// PodRequirements is what a pod of this spec needs from a cluster.
func PodRequirements(namespace string, spec *corev1.PodSpec) *v1alpha1.ReplicaRequirements {
	return podneeds.Of(namespace, spec)
}
