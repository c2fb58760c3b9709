package scheduling

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// The members' nodes. Of replicas with two CPUs, member1 holds 4, member2 4, member3 6 and member4, which joins when a
// test wants it, 4. One with three CPUs does not fit on any node of member2.
var bed = local.Bed{Options: local.Options{
	Members: 4, Apart: 1, Managers: 1, ManagerConfig: "testdata/manager.yaml",
	MemberNodes: map[string]local.NodeGroup{
		"member1": {Count: 2, Size: size("4")},
		"member2": {Count: 4, Size: size("2")},
		"member3": {Count: 1, Size: size("12")},
		"member4": {Count: 2, Size: size("4")},
	},
}}

// Rooms of the members that are always joined, in CPUs.
const allCPUs = 8 + 8 + 12

func size(cpus string) corev1.ResourceList {
	nodeSize := local.DefaultNodeSize()
	nodeSize[corev1.ResourceCPU] = builder.Resources("cpu", cpus)["cpu"]
	return nodeSize
}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }

var described sync.Once

// start gives a test the fleet with its clusters described, nothing running in any member, and a template namespace.
func start(t *testing.T) (*local.Fleet, string) {
	t.Helper()
	fleet := bed.Fleet(t)
	described.Do(func() {
		describe(t, fleet, "member1", "eu", "alpha", map[string]string{"environment": "production", "example.com/power": "north"})
		describe(t, fleet, "member2", "eu", "beta", map[string]string{"environment": "production", "example.com/power": "north"})
		describe(t, fleet, "member3", "us", "alpha", map[string]string{"environment": "staging", "example.com/power": "south"})
	})
	expect.Eventually(t, "empty members", func(ctx context.Context) error { return empty(ctx, fleet) })
	return fleet, expect.Namespace(t, fleet)
}

// roomy waits until the manager counts with all the room of the members, where a test needs that at once: they are empty a moment before
// it has heard so, and what was divided too early stays where it is.
func roomy(t *testing.T, fleet *local.Fleet, ns string) {
	t.Helper()
	probe := web(ns, "probe", allCPUs/2)
	policy := governing(ns, "probe", builder.ByRoom(), builder.Clusters("member1", "member2", "member3"), func(s *v1alpha1.PropagationSpec) {
		s.Suspension = &v1alpha1.Suspension{Dispatching: ptr.To(true)}
	})
	expect.Create(t, fleet.Host, policy, probe.DeepCopy())
	decided(t, fleet, probe, map[string]int32{"member1": 4, "member2": 4, "member3": 6}, 0)
	expect.Delete(t, fleet.Host, probe.DeepCopy())
	expect.Delete(t, fleet.Host, policy)
	expect.Gone(t, fleet.Host, expect.Binding(probe))
}

func describe(t *testing.T, fleet *local.Fleet, name, region, provider string, labels map[string]string) {
	t.Helper()
	changeCluster(t, fleet, name, func(c *v1alpha1.Cluster) {
		c.Spec.Region, c.Spec.Provider, c.Spec.Zones = region, provider, []string{region + "-" + name}
		for key, value := range labels {
			setLabel(c, key, value)
		}
	})
}

// changeCluster edits a Cluster object on the host.
func changeCluster(t *testing.T, fleet *local.Fleet, name string, change func(*v1alpha1.Cluster)) {
	t.Helper()
	cluster := &v1alpha1.Cluster{}
	cluster.Name = name
	expect.Change(t, fleet.Host, cluster, change)
}

// setLabel sets a label, or removes it when the value is empty.
func setLabel(obj client.Object, key, value string) {
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[key] = value
	if value == "" {
		delete(labels, key)
	}
	obj.SetLabels(labels)
}

// labelled gives a Cluster a label for the rest of a test.
func labelled(t *testing.T, fleet *local.Fleet, name, key, value string) {
	t.Helper()
	changeCluster(t, fleet, name, func(c *v1alpha1.Cluster) { setLabel(c, key, value) })
	t.Cleanup(func() {
		cluster := &v1alpha1.Cluster{}
		cluster.Name = name
		patch := client.RawPatch(mergePatch, fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, key))
		if err := client.IgnoreNotFound(fleet.Host.Client().Patch(context.Background(), cluster, patch)); err != nil {
			t.Errorf("taking the label %s from %s: %v", key, name, err)
		}
	})
}

// empty says what still runs in the members.
func empty(ctx context.Context, fleet *local.Fleet) error {
	var problems []error
	for _, member := range fleet.Members {
		var pods corev1.PodList
		if err := member.Client().List(ctx, &pods); err != nil {
			return err
		}
		if n := len(pods.Items); n > 0 {
			problems = append(problems, fmt.Errorf("%s still has %d pods", member.Name, n))
		}
	}
	return errors.Join(problems...)
}

// web is a Deployment of replicas with two CPUs each.
func web(ns, name string, replicas int32, options ...builder.DeploymentOption) *appsv1.Deployment {
	options = append([]builder.DeploymentOption{builder.Replicas(replicas), builder.Requests("cpu", "2")}, options...)
	return builder.Deployment(ns, name, options...)
}

// governing is a policy for Deployments of a name, or of all names when it is empty.
func governing(ns, name string, options ...builder.PolicyOption) *v1alpha1.PropagationPolicy {
	policy := name
	if policy == "" {
		policy = "all"
	}
	return builder.Policy(ns, policy, append([]builder.PolicyOption{builder.Selecting("apps/v1", "Deployment", name)}, options...)...)
}

// scale changes the replicas of a template.
func scale(t *testing.T, fleet *local.Fleet, template *appsv1.Deployment, replicas int32) {
	t.Helper()
	expect.Change(t, fleet.Host, template.DeepCopy(), func(d *appsv1.Deployment) { d.Spec.Replicas = &replicas })
}

// decided waits for the decision of a template.
func decided(t *testing.T, fleet *local.Fleet, template client.Object, want map[string]int32, pending int32) {
	t.Helper()
	expect.Seen(t, fleet.Host, expect.Binding(template), expect.Placed(want, pending))
}
