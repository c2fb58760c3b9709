package local

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// What each node offers. Ten of them hold 2,500 pods.
const (
	nodeCPU    = "16"
	nodeMemory = "64Gi"
	nodePods   = "250"
	// zonesPerCluster is over how many zones the nodes are spread.
	zonesPerCluster = 3
)

// startCluster starts the programs of a cluster and returns when pods could be created, and would run on a member.
func (l *launcher) startCluster(ctx context.Context, planned controlplane.Cluster, cluster *Cluster) error {
	for _, component := range planned.Components() {
		if err := start(ctx, l.processes, component); err != nil {
			return err
		}
	}
	for i := range planned.Nodes {
		if err := cluster.client.Create(ctx, newNode(planned.Name, i)); err != nil {
			return fmt.Errorf("creating the nodes of %s: %w", planned.Name, err)
		}
	}
	var last error
	err := wait.PollUntilContextTimeout(ctx, healthInterval, startTimeout, true, func(ctx context.Context) (bool, error) {
		for _, component := range planned.Controllers {
			if l.processes.Status(component.Name) == process.Gone {
				return false, failure(l.processes, component.Name, "ended")
			}
		}
		last = usable(ctx, cluster.client, planned.Nodes)
		return last == nil, nil
	})
	if wait.Interrupted(err) {
		err = errors.Join(err, last)
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", planned.Name, err)
	}
	return nil
}

// usable says what the controllers have not done yet.
func usable(ctx context.Context, c client.Client, nodes int) error {
	// Without these two no pod can be created in the default namespace.
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default"}}
	authority := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kube-root-ca.crt"}}
	for _, object := range []client.Object{account, authority} {
		if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return fmt.Errorf("waiting for the controller manager: %w", err)
		}
	}
	if nodes == 0 {
		return nil
	}
	var list corev1.NodeList
	if err := c.List(ctx, &list); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	ready := 0
	for _, node := range list.Items {
		if nodeUsable(node) {
			ready++
		}
	}
	if ready < nodes {
		return fmt.Errorf("%d of %d nodes are ready", ready, nodes)
	}
	return nil
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

func newNode(cluster string, index int) *corev1.Node {
	name := fmt.Sprintf("%s-node-%d", cluster, index)
	resources := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(nodeCPU),
		corev1.ResourceMemory: resource.MustParse(nodeMemory),
		corev1.ResourcePods:   resource.MustParse(nodePods),
	}
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
		Status: corev1.NodeStatus{Capacity: resources, Allocatable: resources},
	}
}
