package tainting

import (
	"bytes"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// plugin runs a command of the kubectl plugin on the host and returns what it prints.
func plugin(t *testing.T, host *local.Cluster, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := kubectl.NewCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out})
	cmd.SetArgs(append(args, "--kubeconfig", host.Kubeconfig))
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("kubectl flotilla %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

func TestThePluginLeavesTheManagersTaintsAlone(t *testing.T) {
	host := setUp(t)
	join(t, host, "one", "two", "three")
	report(t, host, "one", metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable)
	manager := []string{unreachable + ":NoSchedule", unreachable + ":NoExecute"}
	expect.Seen(t, host, named("one"), has(manager...))
	drained := append([]string{v1alpha1.UnschedulableTaint + "=:NoSchedule", v1alpha1.DrainTaint + "=:NoExecute"}, manager...)
	for _, step := range []struct {
		args string
		says string
		want []string
	}{
		{"taint one mine=1:NoSchedule --dry-run=server", "tainted (server dry run)", manager},
		{"taint one mine=1:NoSchedule", "cluster.flotilla.dev/one tainted", append([]string{"mine=1:NoSchedule"}, manager...)},
		{"taint one mine-", "cluster.flotilla.dev/one untainted", manager},
		{"drain one --timeout=1m", "cluster.flotilla.dev/one drained", drained},
		{"cordon one", "cluster.flotilla.dev/one already cordoned", drained},
		{"uncordon one", "cluster.flotilla.dev/one uncordoned", manager},
		{"uncordon one", "cluster.flotilla.dev/one already uncordoned", manager},
		{"drain one --timeout=1m", "cluster.flotilla.dev/one drained", drained},
	} {
		if out := plugin(t, host, strings.Fields(step.args)...); !strings.Contains(out, step.says) {
			t.Errorf("kubectl flotilla %s says:\n%s\nwant %q", step.args, out, step.says)
		}
		cluster := named("one")
		if err := host.Client().Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster); err != nil {
			t.Fatal(err)
		}
		if err := has(step.want...)(cluster); err != nil {
			t.Errorf("after %s: %v", step.args, err)
		}
	}
	report(t, host, "one", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	expect.Seen(t, host, named("one"), has(drained[:2]...))
}

func TestAClusterThatIsAppliedKeepsTheManagersTaints(t *testing.T) {
	host := setUp(t)
	join(t, host, "one", "two", "three")
	apply := func(taints ...any) {
		t.Helper()
		u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"region": "eu"}}}
		if len(taints) > 0 {
			u.Object["spec"].(map[string]any)["taints"] = taints
		}
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Cluster"))
		u.SetName("one")
		if err := host.Client().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("git")); err != nil {
			t.Fatal(err)
		}
	}
	mine := map[string]any{"key": "mine", "effect": "NoExecute"}
	apply(mine)
	report(t, host, "one", metav1.ConditionFalse, v1alpha1.ReasonUnauthorized)
	expect.Seen(t, host, named("one"), has("mine=:NoExecute", notReady+":NoSchedule"))
	apply()
	expect.Seen(t, host, named("one"), has(notReady+":NoSchedule"))
	report(t, host, "one", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	expect.Seen(t, host, named("one"), has())
}
