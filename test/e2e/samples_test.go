package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
)

const samples = "../../config/samples"

// kubectl runs the kubectl of the fleet against its host.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	fleet := bed.Fleet(t)
	out, err := exec.CommandContext(t.Context(), fleet.Program("kubectl"), append([]string{"--kubeconfig=" + fleet.Host.Kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestTheShopOfTheSamplesRunsEverywhereAndNothingOfItOnTheHost(t *testing.T) {
	expect.Namespace(t, bed.Fleet(t)) // which waits until template namespaces are guarded
	applied := kubectl(t, "apply", "-o", "name", "-k", samples+"/shop")
	t.Cleanup(func() {
		if out, err := exec.Command(bed.Fleet(t).Program("kubectl"), "--kubeconfig="+bed.Fleet(t).Host.Kubeconfig, "delete", "-k", samples+"/shop").CombinedOutput(); err != nil {
			t.Errorf("deleting the shop: %v\n%s", err, out)
		}
	})
	templates := 0
	for _, name := range strings.Fields(applied) {
		if !strings.HasPrefix(name, "namespace/") && !strings.HasPrefix(name, "propagationpolicy.") {
			templates++
		}
	}
	expect.Eventually(t, "a healthy shop", func(ctx context.Context) error {
		var bindings v1alpha1.ResourceBindingList
		if err := bed.Fleet(t).Host.Client().List(ctx, &bindings, inNamespace("shop")); err != nil {
			return err
		}
		var waiting []string
		for _, b := range bindings.Items {
			if !meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionHealthy) || !meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionApplied) {
				waiting = append(waiting, b.Name)
			}
		}
		if len(waiting) > 0 || len(bindings.Items) != templates {
			return fmt.Errorf("%d of %d bindings; not healthy: %v", len(bindings.Items), templates, waiting)
		}
		return nil
	})
	t.Log(kubectl(t, "--namespace=shop", "get", "deployments,statefulsets,cronjobs"))
	t.Log(kubectl(t, "--namespace=shop", "rollout", "status", "deployment/web", "--timeout=60s"))
	if out := kubectl(t, "--namespace=shop", "get", "replicasets,pods,jobs", "-o", "name"); out != "" {
		t.Errorf("the host runs %s, want nothing", out)
	}
}

func TestTheOtherSamplesAreValid(t *testing.T) {
	bed.Fleet(t) // the Secret's namespace, of member1, is there: a dry run does not create it
	t.Log(kubectl(t, "apply", "--dry-run=server", "-f", samples+"/cluster.yaml", "-f", samples+"/clusterpropagationpolicy.yaml", "-f", samples+"/workloadrebalancer.yaml"))
}
