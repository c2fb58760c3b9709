package scheduling

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

func TestAWorkloadRebalancerDividesAnewAndAgainWhenItIsEdited(t *testing.T) {
	fleet, ns := start(t)
	labelled(t, fleet, "member1", "pool", ns)
	half := builder.Requests("cpu", "500m")
	app, still := web(ns, "web", 4, half), web(ns, "still", 4, half)
	pool := builder.Placing(func(p *v1alpha1.Placement) {
		p.ClusterAffinity = &v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"pool": ns}}}
	})
	// A request is obeyed once, upon the labels that the scheduler knows: those that have led the witness somewhere.
	witness := builder.ConfigMap(ns, "witness")
	expect.Create(t, fleet.Host, builder.Policy(ns, "witness", builder.Selecting("v1", "ConfigMap", "witness"), pool), witness.DeepCopy(),
		governing(ns, "", builder.ByRoom(), pool), app.DeepCopy(), still.DeepCopy())
	expect.Runs(t, fleet, app, map[string]int32{"member1": 4})
	expect.Runs(t, fleet, still, map[string]int32{"member1": 4})

	t.Log("two clusters more: what runs stays where it is until it is asked to be divided anew")
	labelled(t, fleet, "member2", "pool", ns)
	labelled(t, fleet, "member3", "pool", ns)
	for _, name := range []string{"member2", "member3"} {
		expect.Seen(t, fleet.Member(name), witness.DeepCopy(), expect.Present)
	}
	rebalancer := &v1alpha1.WorkloadRebalancer{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Spec: v1alpha1.WorkloadRebalancerSpec{
			Workloads: []v1alpha1.WorkloadReference{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: ns, Name: "web"}},
		},
	}
	expect.Create(t, fleet.Host, rebalancer)
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(fleet.Host.Client().Delete(context.Background(), rebalancer)); err != nil {
			t.Errorf("deleting the rebalancer: %v", err)
		}
	})
	completed := func(r *v1alpha1.WorkloadRebalancer) error {
		if r.Status.ObservedGeneration != r.Generation || r.Status.Done != 1 || !meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionComplete) {
			return fmt.Errorf("it is not complete: %+v", r.Status)
		}
		return nil
	}
	expect.Seen(t, fleet.Host, rebalancer, completed)
	even := map[string]int32{"member1": 1, "member2": 1, "member3": 2}
	expect.Runs(t, fleet, app, even)

	t.Log("a cluster goes and comes back: only an edited rebalancer brings replicas back to it")
	changeCluster(t, fleet, "member3", func(c *v1alpha1.Cluster) { setLabel(c, "pool", "") })
	expect.Runs(t, fleet, app, map[string]int32{"member1": 2, "member2": 2})
	expect.Gone(t, fleet.Member("member3"), witness.DeepCopy())
	changeCluster(t, fleet, "member3", func(c *v1alpha1.Cluster) { setLabel(c, "pool", ns) })
	expect.Seen(t, fleet.Member("member3"), witness.DeepCopy(), expect.Present)
	expect.Change(t, fleet.Host, rebalancer, func(r *v1alpha1.WorkloadRebalancer) {
		ttl := int32(3600)
		r.Spec.TTLSecondsAfterFinished = &ttl
	})
	expect.Seen(t, fleet.Host, rebalancer, completed)
	expect.Runs(t, fleet, app, even)
	expect.Runs(t, fleet, still, map[string]int32{"member1": 4})
}
