package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// overriding makes a policy of one rule for templates of a namespace.
func overriding(ns, name string, overriders v1alpha1.Overriders) *v1alpha1.OverridePolicy {
	policy := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	policy.Spec.OverrideRules = []v1alpha1.OverrideRule{{Overriders: overriders}}
	return policy
}

func labels(value map[string]string) v1alpha1.Overriders {
	return v1alpha1.Overriders{LabelsOverrider: []v1alpha1.LabelAnnotationOverrider{{Operator: v1alpha1.OverrideAdd, Value: value}}}
}

// hasLabel checks a label of an object, "" for none.
func hasLabel(key, want string) func(*corev1.ConfigMap) error {
	return func(c *corev1.ConfigMap) error {
		if got := c.Labels[key]; got != want {
			return fmt.Errorf("its label %s is %q, want %q", key, got, want)
		}
		return nil
	}
}

// told checks what an override policy's status says.
func told(matched, failed int32, status metav1.ConditionStatus, reason, message string) func(*v1alpha1.OverridePolicy) error {
	return func(p *v1alpha1.OverridePolicy) error {
		if diff := cmp.Diff([]int32{matched, failed}, []int32{p.Status.Matched, p.Status.Failed}); diff != "" {
			return fmt.Errorf("matched and failed (-want +got):\n%s", diff)
		}
		return expect.HasCondition(p.Status.Conditions, v1alpha1.ConditionReady, status, reason, message)
	}
}

// patched changes labels of an object of the host by a merge patch.
func patched(ctx context.Context, fleet *local.Fleet, obj client.Object, labels string) error {
	return fleet.Host.Client().Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":`+labels+`}}`)))
}

// afterwards cleans up, also after a test that failed.
func afterwards(t *testing.T, clean func(ctx context.Context) error) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), expect.Patience)
		defer cancel()
		if err := clean(ctx); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
}

func TestWhatDiffersPerClusterFollowsThePolicyAndTheCluster(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	policy := overriding(ns, "names", labels(map[string]string{"example.com/cluster": "${cluster.name}"}))
	expect.Create(t, fleet.Host, policy.DeepCopy(), builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), hasLabel("example.com/cluster", member.Name))
	}
	expect.Seen(t, fleet.Host, policy.DeepCopy(), told(1, 0, metav1.ConditionTrue, v1alpha1.ReasonOverrideReady, "is for 1 propagated template"))

	t.Log("the policy changes")
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.OverridePolicy) {
		p.Spec.OverrideRules[0].TargetCluster = &v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{ns: "yes"}}}
	})
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), hasLabel("example.com/cluster", ""))
	}
	t.Log("a Cluster's labels change")
	member2 := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member2"}}
	afterwards(t, func(ctx context.Context) error { return patched(ctx, fleet, member2.DeepCopy(), `{"`+ns+`":null}`) })
	if err := patched(t.Context(), fleet, member2.DeepCopy(), `{"`+ns+`":"yes"}`); err != nil {
		t.Fatal(err)
	}
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), hasLabel("example.com/cluster", "member2"))
	t.Log("the policy goes")
	expect.Delete(t, fleet.Host, policy.DeepCopy())
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), hasLabel("example.com/cluster", ""))
}

func TestAnOverrideThatFailsStopsItsClusterOnlyAndSaysSo(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	policy := overriding(ns, "broken", v1alpha1.Overriders{Plaintext: []v1alpha1.PlaintextOverrider{{Path: "/data/none", Operator: v1alpha1.OverrideRemove}}})
	policy.Spec.OverrideRules[0].TargetCluster = &v1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}}
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
	}
	expect.Create(t, fleet.Host, policy.DeepCopy())
	expect.Seen(t, fleet.Host, expect.Binding(settings), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonOverrideFailed,
		"member1: OverrideFailed: OverridePolicy "+ns+"/broken: spec.overrideRules[0].overriders.plaintext[0]"))
	expect.Seen(t, fleet.Host, policy.DeepCopy(), told(1, 1, metav1.ConditionFalse, v1alpha1.ReasonOverrideFailed, "fails for 1 of 1 template, such as ConfigMap "+ns+"/settings in cluster member1: "))

	t.Log("the template changes: the others follow, and what runs where the override fails stays")
	expect.Change(t, fleet.Host, settings.DeepCopy(), func(c *corev1.ConfigMap) { c.Data["color"] = "blue" })
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), value("color", "blue"))
	expect.Seen(t, fleet.Member("member1"), settings.DeepCopy(), value("color", "red"))
	t.Log("the policy is mended")
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.OverridePolicy) {
		p.Spec.OverrideRules[0].Overriders = labels(map[string]string{"ok": "yes"})
	})
	expect.Seen(t, fleet.Member("member1"), settings.DeepCopy(), value("color", "blue"))
	expect.Seen(t, fleet.Host, policy.DeepCopy(), told(1, 0, metav1.ConditionTrue, v1alpha1.ReasonOverrideReady, ""))
}

func TestAClusterOverridePolicyIsForEveryNamespaceAndTheNamespacesOwnHasTheLastWord(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	settings.Labels = map[string]string{"team": ns}
	global := &v1alpha1.ClusterOverridePolicy{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	global.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": ns}}}}
	global.Spec.OverrideRules = []v1alpha1.OverrideRule{{Overriders: labels(map[string]string{"a": "global", "b": "global"})}}
	afterwards(t, func(ctx context.Context) error { return fleet.Host.Client().Delete(ctx, global.DeepCopy()) })
	expect.Create(t, fleet.Host, global.DeepCopy(), overriding(ns, "own", labels(map[string]string{"b": "own"})),
		builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	member := fleet.Member("member3")
	expect.Seen(t, member, settings.DeepCopy(), hasLabel("a", "global"))
	expect.Seen(t, member, settings.DeepCopy(), hasLabel("b", "own"))
}

func TestAnObjectThatIsProtectedCannotBeDeleted(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	settings.Labels = map[string]string{v1alpha1.DeletionProtectedLabel: v1alpha1.DeletionProtectedAlways}
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	member := fleet.Member("member1")
	expect.Seen(t, member, settings.DeepCopy(), hasLabel(v1alpha1.DeletionProtectedLabel, ""))
	afterwards(t, func(ctx context.Context) error {
		return patched(ctx, fleet, settings.DeepCopy(), `{"`+v1alpha1.DeletionProtectedLabel+`":null}`)
	})
	err := fleet.Host.Client().Delete(t.Context(), settings.DeepCopy(), client.DryRunAll)
	if want := "take the label flotilla.dev/deletion-protected off first"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("deleting = %v, want %q", err, want)
	}
}
