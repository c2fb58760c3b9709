package local

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// startCluster starts the programs of a cluster and returns when pods could be created, and would run on a member.
func (l *launcher) startCluster(ctx context.Context, planned controlplane.Cluster, cluster *Cluster) error {
	for _, stage := range planned.Stages() {
		if err := start(ctx, l.processes, stage...); err != nil {
			return err
		}
	}
	for i := range planned.Nodes {
		if err := cluster.client.Create(ctx, newNode(planned.Name, i, l.options.nodes(planned.Name).Size)); err != nil {
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
