package interpreter

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

var (
	autoscaler = schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}
	budget     = schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}
)

// Followers are the kinds whose objects name the workload that they are for, and so go where it goes; none for an object
// that is no workload.
func (i *Interpreter) Followers(workload *unstructured.Unstructured) []schema.GroupVersionKind {
	_, native := podTemplatePath(kindOf(workload))
	if workload.GetNamespace() == "" || (!native && i.meaning(workload, taught.Replicas) == nil) {
		return nil
	}
	return []schema.GroupVersionKind{autoscaler, budget}
}

// Follows says whether an object is for a workload: a HorizontalPodAutoscaler whose scaleTargetRef names it, whatever the
// version, or a PodDisruptionBudget whose selector matches the labels of its pods.
func (i *Interpreter) Follows(follower, workload *unstructured.Unstructured) bool {
	if follower.GetNamespace() != workload.GetNamespace() {
		return false
	}
	switch kindOf(follower) {
	case autoscaler.GroupKind():
		target := schema.FromAPIVersionAndKind(text(follower.Object, "spec", "scaleTargetRef", "apiVersion"), text(follower.Object, "spec", "scaleTargetRef", "kind"))
		return target.GroupKind() == kindOf(workload) && text(follower.Object, "spec", "scaleTargetRef", "name") == workload.GetName()
	case budget.GroupKind():
		pods := podLabels(workload)
		return len(pods) > 0 && selectorOf(follower).Matches(pods)
	default:
		return false
	}
}

// podLabels are the labels of a workload's pods. Kinds that are not native are taken to have a pod template where most
// have it.
func podLabels(workload *unstructured.Unstructured) labels.Set {
	path, native := podTemplatePath(kindOf(workload))
	if !native {
		path = []string{"spec", "template"}
	}
	found, _, err := unstructured.NestedStringMap(workload.Object, append(path[:len(path):len(path)], "metadata", "labels")...)
	if err != nil {
		return nil
	}
	return found
}

// selectorOf is spec.selector; it matches nothing when there is none, or none that can be read.
func selectorOf(obj *unstructured.Unstructured) labels.Selector {
	fields, found, err := unstructured.NestedMap(obj.Object, "spec", "selector")
	if err != nil || !found {
		return labels.Nothing()
	}
	var wanted metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &wanted); err != nil {
		return labels.Nothing()
	}
	selector, err := metav1.LabelSelectorAsSelector(&wanted)
	if err != nil {
		return labels.Nothing()
	}
	return selector
}
