package performance

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	// alongSpecWrites is what a ConfigMap that goes along to three members may cost on the host: its binding when it is found,
	// once more when propagation completes it, and once more when its owner's clusters are decided after it was found.
	alongSpecWrites = 3
	// again is how many of a member's writes may be repetitions, as after a conflict.
	again = 0.05
)

// configuredBy has no replicas, and takes its environment from a ConfigMap.
func configuredBy(name string) builder.DeploymentOption {
	return func(d *appsv1.Deployment) {
		zero := int32(0)
		d.Spec.Replicas = &zero
		d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{
			ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
		}}
	}
}

func TestDependenciesOfManyDeployments(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	n := atScale(1000, 300)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", ""),
		func(s *v1alpha1.PropagationSpec) { s.PropagateDeps = true }))
	start := time.Now()
	for i := range n {
		name := fmt.Sprintf("d%04d", i)
		expect.Create(t, fleet.Host, builder.ConfigMap(ns, name, "number", fmt.Sprint(i)), builder.Deployment(ns, name, configuredBy(name)))
	}
	created := time.Since(start)
	for _, member := range fleet.Members {
		held(t, member, ns, n, func() client.ObjectList { return &corev1.ConfigMapList{} })
		held(t, member, ns, n, func() client.ObjectList { return &appsv1.DeploymentList{} })
	}
	t.Logf("%d ConfigMaps and Deployments: created on the host in %s, in every member after %s", n, created.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	reported(t, fleet, ns, 2*n)
	t.Logf("reported after %s", time.Since(start).Round(time.Millisecond))
	quiet(t, fleet, ns, start)
	if leader, err := fleet.Leader(t.Context()); err == nil {
		if kib, err := fleet.ResidentMemory(leader); err == nil {
			t.Logf("resident memory of the active manager: %d MiB", kib/1024)
		}
	}
	if along := tally(t, fleet.Host, ns, start)["patch resourcebindings of configmaps"]; along == 0 || along > alongSpecWrites*n {
		t.Errorf("%d writes of the specs of ConfigMaps' bindings, want at most %d each", along, alongSpecWrites)
	} else {
		t.Logf("%.2f writes of the spec of each ConfigMap's binding", float64(along)/float64(n))
	}
	for _, member := range fleet.Members {
		for what, got := range tally(t, member, ns, start) {
			if float64(got) > float64(n)*(1+again) && !strings.Contains(what, "status") {
				t.Errorf("%s: %d x %s, want one for each object", member.Name, got, what)
			}
		}
	}
}

// held waits until a member holds n objects of a kind.
func held(t *testing.T, member *local.Cluster, ns string, n int, list func() client.ObjectList) {
	t.Helper()
	expect.Eventually(t, "all of them in "+member.Name, func(ctx context.Context) error {
		found := list()
		if err := member.Client().List(ctx, found, client.InNamespace(ns), client.MatchingLabels{v1alpha1.ManagedLabel: "true"}); err != nil {
			return err
		}
		items := 0
		switch found := found.(type) {
		case *corev1.ConfigMapList:
			items = len(found.Items)
		case *appsv1.DeploymentList:
			items = len(found.Items)
		}
		if items < n {
			return fmt.Errorf("%d of %d", items, n)
		}
		return nil
	})
}

// tally counts what Flotilla wrote to a namespace of a cluster, and logs it.
func tally(t *testing.T, cluster *local.Cluster, ns string, since time.Time) map[string]int {
	t.Helper()
	writes, err := cluster.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, w := range writes {
		if w.Namespace != ns || !isFlotilla(w) || w.Code >= 300 {
			continue
		}
		what := strings.TrimSuffix(w.Verb+" "+w.Resource+"/"+w.Subresource, "/")
		if w.Resource == "resourcebindings" {
			what += map[bool]string{true: " of configmaps", false: " of deployments"}[strings.Contains(w.Name, "-configmap")]
		}
		counts[what]++
	}
	for what, n := range counts {
		t.Logf("%s: %d x %s", cluster.Name, n, what)
	}
	return counts
}
