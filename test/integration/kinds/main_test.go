package kinds

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 2, Nodes: 2}}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }

var policies struct {
	once sync.Once
	err  error
}

// inertFleet is the fleet, whose host runs nothing that lies in a template namespace.
func inertFleet(t *testing.T) *local.Fleet {
	t.Helper()
	fleet := bed.Fleet(t)
	policies.once.Do(func() {
		_, policies.err = kubectl(t, fleet, "apply", "--server-side", "-k", "../../../config/admission")
	})
	if policies.err != nil {
		t.Fatal(policies.err)
	}
	namespace := expect.Namespace(t, fleet)
	expect.Eventually(t, "the admission policies", func(ctx context.Context) error {
		return expect.StatusGuarded(ctx, fleet.Host, namespace)
	})
	return fleet
}

func kubectl(t *testing.T, fleet *local.Fleet, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), fleet.Program("kubectl"), append([]string{"--kubeconfig=" + fleet.Host.Kubeconfig}, args...)...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("kubectl %v: %w: %s", args, err, output)
	}
	return string(output), nil
}
