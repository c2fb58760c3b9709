package pace

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 10, Nodes: 1, Managers: 1, ManagerConfig: "testdata/manager.yaml"}}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(bed.Run(m))
}

const (
	// rate is the evictionRate of testdata/manager.yaml.
	rate = 5
	// each is how many templates are in each of the clusters that are lost.
	each = 30
)

func TestTwoOfTenClustersAreLeftAtTheRate(t *testing.T) {
	if os.Getenv("FLOTILLA_LONG") == "" {
		t.Skip("a fleet of ten members takes its time: set FLOTILLA_LONG=1")
	}
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	lost := []string{"member3", "member8"}
	var policies []*v1alpha1.PropagationPolicy
	for _, name := range lost {
		p := builder.Policy(ns, name, builder.Selecting("v1", "ConfigMap", ""), builder.Clusters(name), func(spec *v1alpha1.PropagationSpec) {
			spec.ResourceSelectors = nil
			for i := range each {
				spec.ResourceSelectors = append(spec.ResourceSelectors, v1alpha1.ResourceSelector{APIVersion: "v1", Kind: "ConfigMap", Name: of(name, i)})
			}
			spec.Placement.SpreadConstraints = []v1alpha1.SpreadConstraint{{SpreadByField: v1alpha1.SpreadByCluster, MinGroups: 1, MaxGroups: new(int32(1))}}
		})
		expect.Create(t, fleet.Host, p)
		policies = append(policies, p)
		for i := range each {
			expect.Create(t, fleet.Host, builder.ConfigMap(ns, of(name, i)))
		}
	}
	for _, name := range lost {
		held(t, fleet, ns, each, name)
	}
	for _, p := range policies { // each may go anywhere now, and nothing moves without a reason
		expect.Change(t, fleet.Host, p, func(p *v1alpha1.PropagationPolicy) { p.Spec.Placement.ClusterAffinity = nil })
	}
	free(t, fleet, ns)

	began := time.Now()
	for _, name := range lost {
		if err := fleet.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	var others []string
	for _, member := range fleet.Members {
		if member.Name != lost[0] && member.Name != lost[1] {
			others = append(others, member.Name)
		}
	}
	held(t, fleet, ns, 2*each, others...)
	t.Logf("%d templates of %s are elsewhere %s after the loss, at %d/s", 2*each, strings.Join(lost, " and "), time.Since(began).Round(10*time.Millisecond), rate)
	keptPace(t, fleet, ns, began)
}

// free waits until the bindings of a namespace may use any cluster, and that has been decided about.
func free(t *testing.T, fleet *local.Fleet, ns string) {
	t.Helper()
	expect.Eventually(t, "bindings that may go anywhere", func(ctx context.Context) error {
		var list v1alpha1.ResourceBindingList
		if err := fleet.Host.Client().List(ctx, &list, client.InNamespace(ns)); err != nil {
			return err
		}
		for i := range list.Items {
			b := &list.Items[i]
			if b.Spec.Placement.ClusterAffinity != nil || b.Status.SchedulerObservedGeneration != b.Generation {
				return fmt.Errorf("%s may not yet", b.Name)
			}
		}
		return nil
	})
}

func of(cluster string, i int) string { return fmt.Sprintf("%s-%02d", cluster, i) }

// held waits until some members hold so many ConfigMaps of a namespace, all together.
func held(t *testing.T, fleet *local.Fleet, ns string, n int, names ...string) {
	t.Helper()
	expect.Eventually(t, fmt.Sprintf("%d ConfigMaps in %v", n, names), func(ctx context.Context) error {
		sum := 0
		for _, name := range names {
			var list corev1.ConfigMapList
			if err := fleet.Member(name).Client().List(ctx, &list, client.InNamespace(ns), client.MatchingLabels{v1alpha1.ManagedLabel: "true"}); err != nil {
				return err
			}
			sum += len(list.Items)
		}
		if sum != n {
			return fmt.Errorf("they hold %d", sum)
		}
		return nil
	})
}

// keptPace checks that in no second more evictions began than one second's rate and what the bucket holds, which is as much.
func keptPace(t *testing.T, fleet *local.Fleet, ns string, after time.Time) {
	t.Helper()
	writes, err := fleet.Host.Writes(after)
	if err != nil {
		t.Fatal(err)
	}
	var first []time.Time // the first attempt at each binding since the loss: its task
	seen := map[string]bool{}
	for _, w := range writes {
		if w.FieldManager == string(objectpatch.EvictionOwner) && w.Namespace == ns && !seen[w.Name] {
			seen[w.Name] = true
			first = append(first, w.Time)
		}
	}
	most := 0
	for i, begin := range first {
		n := 0
		for _, at := range first[i:] {
			if at.Sub(begin) < time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	t.Logf("%d evictions began within %s, at most %d of them in one second", len(first), first[len(first)-1].Sub(first[0]).Round(10*time.Millisecond), most)
	if len(first) != 2*each || most > 2*rate {
		t.Errorf("%d evictions began, at most %d of them in one second; want %d, and at most %d", len(first), most, 2*each, 2*rate)
	}
}
