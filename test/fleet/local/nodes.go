package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// zonesPerCluster is over how many zones the nodes of a member are spread.
const zonesPerCluster = 3

// DefaultNodeSize is what each node offers unless told otherwise. Ten of them hold 2,500 pods.
func DefaultNodeSize() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("16"),
		corev1.ResourceMemory: resource.MustParse("64Gi"),
		corev1.ResourcePods:   resource.MustParse("250"),
	}
}

// ParseNodeSize reads what a node offers, such as cpu=4,memory=8Gi,pods=110. Other resources may be named too, such
// as example.com/gpu=2; of cpu, memory and pods, what is not named is that of DefaultNodeSize.
func ParseNodeSize(text string) (corev1.ResourceList, error) {
	size := DefaultNodeSize()
	for _, pair := range strings.Split(text, ",") {
		name, amount, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("reading the size of a node: %q is not of the form cpu=4", pair)
		}
		quantity, err := resource.ParseQuantity(amount)
		if err != nil || quantity.Sign() < 0 {
			return nil, fmt.Errorf("reading the size of a node: %q is no amount of %s", amount, name)
		}
		size[corev1.ResourceName(name)] = quantity
	}
	return size, nil
}

// NodeGroup is some nodes of one size.
type NodeGroup struct {
	// Count is how many there are, 0 or more.
	Count int
	// Size is what each of them offers; nil means DefaultNodeSize.
	Size corev1.ResourceList
}

// ParseNodeGroup reads a group such as 2 or 2xcpu=4,memory=8Gi: how many nodes, and what each offers.
func ParseNodeGroup(text string) (NodeGroup, error) {
	count, size, sized := strings.Cut(text, "x")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return NodeGroup{}, fmt.Errorf("reading a group of nodes: %q is not of the form 2xcpu=4,memory=8Gi", text)
	}
	group := NodeGroup{Count: n}
	if sized {
		group.Size, err = ParseNodeSize(size)
	}
	return group, err
}

// AddNode adds a node to a member that has nodes, and returns when pods can run on it. A nil size means
// DefaultNodeSize. It is labelled like the first node that the member started with, but for its name.
func (c *Cluster) AddNode(ctx context.Context, name string, size corev1.ResourceList) error {
	node := newNode(c.Name, 0, size)
	node.Name, node.Labels[corev1.LabelHostname] = name, name
	if err := c.client.Create(ctx, node); err != nil {
		return fmt.Errorf("adding a node to %s: %w", c.Name, err)
	}
	var last error
	err := wait.PollUntilContextTimeout(ctx, healthInterval, startTimeout, true, func(ctx context.Context) (bool, error) {
		if last = c.client.Get(ctx, client.ObjectKeyFromObject(node), node); last != nil {
			return false, nil
		}
		return nodeUsable(*node), nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("waiting for node %s of %s: %w", name, c.Name, err), last)
	}
	return nil
}

// RemoveNode takes a node away, and what runs on it at the same moment: what owns those pods makes new ones, which
// wait when there is no other room. (Kubernetes itself would notice the lost pods after a minute.)
func (c *Cluster) RemoveNode(ctx context.Context, name string) error {
	if err := c.client.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return fmt.Errorf("removing a node from %s: %w", c.Name, err)
	}
	var pods corev1.PodList
	if err := c.client.List(ctx, &pods, client.MatchingFields{"spec.nodeName": name}); err != nil {
		return fmt.Errorf("listing the pods of node %s of %s: %w", name, c.Name, err)
	}
	for _, pod := range pods.Items {
		err := c.client.Delete(ctx, &pod, &client.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing a pod with node %s of %s: %w", name, c.Name, err)
		}
	}
	return nil
}

// Cordon says whether a node is closed to new pods. Those that run on it stay.
func (c *Cluster) Cordon(ctx context.Context, name string, closed bool) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, closed)
	if err := c.client.Patch(ctx, node, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("cordoning node %s of %s: %w", name, c.Name, err)
	}
	return nil
}

// Nodes are the names of the nodes of a cluster now, in order.
func (c *Cluster) Nodes(ctx context.Context) ([]string, error) {
	var list corev1.NodeList
	if err := c.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing the nodes of %s: %w", c.Name, err)
	}
	names := make([]string, 0, len(list.Items))
	for _, node := range list.Items {
		names = append(names, node.Name)
	}
	slices.Sort(names)
	return names, nil
}

// nodeUsable is true when the node is ready and the controllers have taken the taint of a new node off.
func nodeUsable(node corev1.Node) bool {
	if len(node.Spec.Taints) > 0 {
		return false
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func newNode(cluster string, index int, size corev1.ResourceList) *corev1.Node {
	if size == nil {
		size = DefaultNodeSize()
	}
	name := fmt.Sprintf("%s-node-%d", cluster, index)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:       name,
				corev1.LabelOSStable:       string(corev1.Linux),
				corev1.LabelArchStable:     "amd64",
				corev1.LabelTopologyRegion: cluster,
				corev1.LabelTopologyZone:   fmt.Sprintf("%s-%c", cluster, 'a'+rune(index%zonesPerCluster)),
			},
		},
		Status: corev1.NodeStatus{Capacity: size, Allocatable: size},
	}
}
