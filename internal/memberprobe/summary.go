package memberprobe

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

// pageSize bounds what is held at once while nodes and pods are listed; kubectl lists in the same portions.
const pageSize = 500

// Summary is a member's size and load.
type Summary struct {
	// Nodes counts nodes.
	Nodes v1alpha1.NodeSummary
	// Resources adds up resources over nodes that are Ready and not cordoned.
	Resources v1alpha1.ResourceSummary
}

// Summarize counts the member's nodes and adds up what they offer and what pods ask for. Pods that have
// ended do not count. With models, it also counts the nodes of each grade.
func (v *Visit) Summarize(ctx context.Context, models []v1alpha1.ResourceModel) (Summary, error) {
	tally := newTally()
	tally.models = models
	err := pages(func(options metav1.ListOptions) (string, error) {
		list, err := v.clientset.CoreV1().Nodes().List(ctx, options)
		if err != nil {
			return "", classify(err, v.host, "listing its nodes")
		}
		for i := range list.Items {
			tally.addNode(&list.Items[i])
		}
		return list.Continue, nil
	})
	if err != nil {
		return Summary{}, err
	}
	err = pages(func(options metav1.ListOptions) (string, error) {
		options.FieldSelector = capacity.LivingPods
		list, err := v.clientset.CoreV1().Pods(metav1.NamespaceAll).List(ctx, options)
		if err != nil {
			return "", classify(err, v.host, "listing its pods")
		}
		for i := range list.Items {
			tally.addPod(&list.Items[i])
		}
		return list.Continue, nil
	})
	if err != nil {
		return Summary{}, err
	}
	return tally.summary(), nil
}

// pages calls list, which returns the token of the next page, until there is none.
func pages(list func(metav1.ListOptions) (next string, err error)) error {
	options := metav1.ListOptions{Limit: pageSize}
	for {
		next, err := list(options)
		if err != nil || next == "" {
			return err
		}
		options.Continue = next
	}
}

// tally adds nodes first, then pods.
type tally struct {
	total, ready int32
	usable       sets.Set[string]
	allocatable  corev1.ResourceList
	allocated    corev1.ResourceList
	allocating   corev1.ResourceList

	// What the grades are counted from; nodes and pods are only kept where there are models.
	models []v1alpha1.ResourceModel
	nodes  []capacity.Node
	pods   []capacity.Pod
}

func newTally() *tally {
	return &tally{
		usable: sets.New[string](),
		// A member all of whose nodes are closed says that it has room for 0 pods: the API refuses an empty summary.
		allocatable: corev1.ResourceList{corev1.ResourcePods: resource.Quantity{}},
		allocated:   corev1.ResourceList{}, allocating: corev1.ResourceList{},
	}
}

func (t *tally) addNode(node *corev1.Node) {
	if len(t.models) > 0 {
		t.nodes = append(t.nodes, capacity.NewNode(node))
	}
	t.total++
	if !isReady(node) {
		return
	}
	t.ready++
	if node.Spec.Unschedulable {
		return
	}
	t.usable.Insert(node.Name)
	add(t.allocatable, node.Status.Allocatable)
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (t *tally) addPod(pod *corev1.Pod) {
	if len(t.models) > 0 && pod.Spec.NodeName != "" { // those that wait are in the sums
		t.pods = append(t.pods, capacity.Pod{Class: capacity.Compile(interpreter.PodRequirements(pod.Namespace, &pod.Spec)), Node: pod.Spec.NodeName})
	}
	sum := t.allocated
	switch {
	case pod.Spec.NodeName == "":
		sum = t.allocating
	case !t.usable.Has(pod.Spec.NodeName):
		return
	}
	add(sum, resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	add(sum, corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(1, resource.DecimalSI)})
}

func (t *tally) summary() Summary {
	summary := Summary{
		Nodes:     v1alpha1.NodeSummary{TotalNum: t.total, ReadyNum: t.ready},
		Resources: v1alpha1.ResourceSummary{Allocatable: canonical(t.allocatable), Allocated: canonical(t.allocated), Allocating: canonical(t.allocating)},
	}
	if len(t.models) > 0 {
		summary.Resources.AllocatableModelings = capacity.NewTable(0, t.nodes, t.pods, nil).Grades(t.models)
	}
	return summary
}

func add(sum, more corev1.ResourceList) {
	for name, quantity := range more {
		total := sum[name]
		total.Add(quantity)
		sum[name] = total
	}
}

// canonical parses each quantity anew, so that equal sums look equal however they were added up; nil for
// an empty list, as it is read back from the API.
func canonical(list corev1.ResourceList) corev1.ResourceList {
	if len(list) == 0 {
		return nil
	}
	result := make(corev1.ResourceList, len(list))
	for name, quantity := range list {
		result[name] = resource.MustParse(quantity.String())
	}
	return result
}
