package failover

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// manager is what the fleet's manager runs with, but in the file that gateOff edits.
const manager = "testdata/manager.yaml"

// configured gives the bed a copy of the manager's configuration, which a test may edit.
func configured() (cleanup func(), err error) {
	text, err := os.ReadFile(manager)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "flotilla-manager-*.yaml")
	if err != nil {
		return nil, err
	}
	bed.Options.ManagerConfig = file.Name()
	cleanup = func() { _ = os.Remove(file.Name()) }
	if _, err := file.Write(text); err != nil {
		return cleanup, err
	}
	return cleanup, file.Close()
}

// gateOff runs the manager without the gate Failover until the end of a test.
func gateOff(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	with, err := os.ReadFile(manager)
	if err != nil {
		t.Fatal(err)
	}
	without := bytes.Replace(with, []byte("Failover: true"), []byte("Failover: false"), 1)
	if bytes.Equal(with, without) {
		t.Fatalf("%s does not turn the gate on", manager)
	}
	restart := func(ctx context.Context, text []byte) {
		if err := os.WriteFile(bed.Options.ManagerConfig, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := fleet.Kill(ctx, "manager-0"); err != nil {
			t.Fatal(err)
		}
		if err := fleet.Start(ctx, "manager-0"); err != nil {
			t.Fatal(err)
		}
	}
	restart(t.Context(), without)
	t.Cleanup(func() { restart(context.WithoutCancel(t.Context()), with) })
}

func TestWithoutItsGateNothingIsEvicted(t *testing.T) {
	fleet, ns := start(t)
	gateOff(t, fleet)
	foo, _ := placed(t, fleet, ns, builder.ByRoom())
	watcher := serve(t, fleet, foo, wanted)
	left := departures(t, fleet, foo)
	heal := cut(t, fleet, "member1")
	change(t, fleet, "member2", func(c *v1alpha1.Cluster) {
		c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: "example.com/broken", Effect: corev1.TaintEffectNoExecute})
	})
	expect.Eventually(t, "the taint that keeps new templates away", func(ctx context.Context) error {
		return hasTaints(ctx, fleet, "member1", corev1.TaintEffectNoSchedule)
	})
	pass(t, 2*thresholds) // in which a gate that is on would have emptied both
	if err := hasTaints(t.Context(), fleet, "member1", corev1.TaintEffectNoSchedule); err != nil {
		t.Error(err)
	}
	if n := left(); len(n) > 0 {
		t.Errorf("decisions took something from clusters: %v, want none", n)
	}
	heal()
	change(t, fleet, "member2", func(c *v1alpha1.Cluster) { c.Spec.Taints = nil })
	healthy(t, fleet)
	serves(t, fleet, foo, wanted)
	watcher.neverDipped(t, "foo")
}

// hasTaints says what is wrong when a cluster has not exactly one taint, with this effect.
func hasTaints(ctx context.Context, fleet *local.Fleet, name string, effect corev1.TaintEffect) error {
	var cluster v1alpha1.Cluster
	if err := fleet.Host.Client().Get(ctx, client.ObjectKey{Name: name}, &cluster); err != nil {
		return err
	}
	if taints := cluster.Spec.Taints; len(taints) != 1 || taints[0].Effect != effect {
		return fmt.Errorf("%s has the taints %v, want one with %s", name, taints, effect)
	}
	return nil
}
