package scheduling

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const samples = "../../../config/samples/scheduling"

// placements are the decisions of the Deployments of a sample, by name.
type placements map[string]map[string]int32

// sampleTests say what each sample leads to.
var sampleTests = map[string]struct {
	// before changes the fleet for the length of the test.
	before func(*testing.T, *local.Fleet)
	// want is checked against what is decided when all replicas are placed.
	want func(placements) error
}{
	"duplicated.yaml":     {want: exactly("duplicated", map[string]int32{"member1": 2, "member2": 2})},
	"fields.yaml":         {want: exactly("fields", map[string]int32{"member1": 1})},
	"static-weights.yaml": {want: exactly("static-weights", map[string]int32{"member1": 4, "member2": 2, "member3": 2})},
	"dynamic-weights.yaml": {want: exactly("dynamic-weights",
		map[string]int32{"member1": 2, "member2": 2, "member3": 3})},
	"aggregated.yaml":      {want: exactly("aggregated", map[string]int32{"member3": 6})},
	"replica-bounds.yaml":  {want: exactly("replica-bounds", map[string]int32{"member1": 1, "member2": 2, "member3": 4})},
	"affinity-groups.yaml": {want: exactly("affinity-groups", map[string]int32{"member2": 2})},
	"overflow.yaml":        {want: exactly("overflow", map[string]int32{"member1": 4, "member2": 4, "member3": 2})},
	"spread.yaml":          {want: oneOfEachSide("spread")},
	"spread-by-label.yaml": {want: oneOfEachSide("spread-by-label")},
	"priority.yaml":        {want: exactly("priority", map[string]int32{"member2": 1})},
	"tolerations.yaml": {before: inMaintenance, want: exactly("tolerations",
		map[string]int32{"member1": 1, "member2": 1})},
	"workload-affinity.yaml": {want: func(p placements) error {
		return disagreement(maps.Equal(p["together-shop"], p["together-cache"]) && len(p["together-shop"]) == 1, p)
	}},
	"workload-anti-affinity.yaml": {want: func(p placements) error {
		used := map[string]bool{}
		for _, voter := range []string{"voter-a", "voter-b", "voter-c"} {
			for cluster := range p[voter] {
				used[cluster] = true
			}
		}
		return disagreement(len(used) == 3, p)
	}},
}

func disagreement(fine bool, p placements) error {
	if fine {
		return nil
	}
	return fmt.Errorf("it is placed as %v", p)
}

func exactly(name string, want map[string]int32) func(placements) error {
	return func(p placements) error { return disagreement(maps.Equal(want, p[name]), p) }
}

// oneOfEachSide wants two clusters, one of them the only one across the sea and on the southern power supply.
func oneOfEachSide(name string) func(placements) error {
	return func(p placements) error {
		_, across := p[name]["member3"]
		return disagreement(across && len(p[name]) == 2, p)
	}
}

// inMaintenance taints member2 for the length of a test.
func inMaintenance(t *testing.T, fleet *local.Fleet) {
	changeCluster(t, fleet, "member2", func(c *v1alpha1.Cluster) {
		c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: "example.com/maintenance", Value: "now", Effect: corev1.TaintEffectNoSchedule})
	})
	t.Cleanup(func() {
		cluster := &v1alpha1.Cluster{}
		cluster.Name = "member2"
		if err := fleet.Host.Client().Patch(context.Background(), cluster, mergeSpec(`{"taints":null}`)); err != nil {
			t.Errorf("ending the maintenance of member2: %v", err)
		}
	})
}

func TestEverySampleIsPlacedAsItsCommentSays(t *testing.T) {
	files, err := filepath.Glob(samples + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d samples: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tc, known := sampleTests[filepath.Base(file)]
			if !known {
				t.Fatal("nothing is said about what it leads to")
			}
			fleet, ns := start(t)
			if tc.before != nil {
				tc.before(t, fleet)
			}
			apply(t, fleet, ns, file)
			expect.Eventually(t, "the decision", func(ctx context.Context) error {
				p, err := placed(ctx, fleet, ns)
				if err != nil {
					return err
				}
				return tc.want(p)
			})
			for _, name := range deployments(t, file) {
				expect.Seen(t, fleet.Host, expect.Binding(builder.Deployment(ns, name)),
					expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionTrue, v1alpha1.ReasonAllHealthy, ""))
			}
		})
	}
}

// apply applies a sample as a user does, and takes away what it leaves outside of the namespace.
func apply(t *testing.T, fleet *local.Fleet, ns, file string) {
	t.Helper()
	kubectl := func(args ...string) error {
		args = append([]string{"--kubeconfig=" + fleet.Host.Kubeconfig, "--namespace=" + ns}, args...)
		if out, err := exec.Command(fleet.Program("kubectl"), args...).CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := kubectl("apply", "--filename="+file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kubectl("delete", "--ignore-not-found", "--wait=false", "--filename="+file); err != nil {
			t.Error(err)
		}
	})
}

// deployments are the names of those in a sample.
func deployments(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, document := range strings.Split(string(content), "\n---\n") {
		_, after, found := strings.Cut(document, "kind: Deployment\nmetadata:\n  name: ")
		if found {
			name, _, _ := strings.Cut(after, "\n")
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no Deployment", file)
	}
	return names
}

// placed reads the decisions of a namespace; a template that is not wholly placed is an error.
func placed(ctx context.Context, fleet *local.Fleet, ns string) (placements, error) {
	var bindings v1alpha1.ResourceBindingList
	if err := fleet.Host.Client().List(ctx, &bindings, inNamespace(ns)); err != nil {
		return nil, err
	}
	all := placements{}
	for i := range bindings.Items {
		b := &bindings.Items[i]
		all[b.Spec.Resource.Name] = expect.Placement(b)
		err := expect.HasCondition(b.Status.Conditions, v1alpha1.ConditionScheduled, metav1.ConditionTrue, v1alpha1.ReasonScheduled, "")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	return all, nil
}
