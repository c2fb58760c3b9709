package e2e

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// TestALazyPolicyTakesEffectWhenTheTemplateChanges edits a policy, ends all managers, and edits the template last.
func TestALazyPolicyTakesEffectWhenTheTemplateChanges(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings, untouched := builder.ConfigMap(ns, "settings", "color", "red"), builder.ConfigMap(ns, "untouched", "color", "red")
	policy := builder.Policy(ns, "lazy", builder.Selecting("v1", "ConfigMap", ""), builder.Clusters("member1"), func(s *v1alpha1.PropagationSpec) {
		s.ActivationPreference = v1alpha1.ActivationLazy
	})
	expect.Create(t, fleet.Host, settings.DeepCopy(), untouched.DeepCopy(), policy.DeepCopy())
	for _, template := range []*corev1.ConfigMap{settings, untouched} {
		expect.Seen(t, fleet.Member("member1"), template.DeepCopy(), expect.Present)
	}
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	late := builder.ConfigMap(ns, "late", "color", "red")
	expect.Create(t, fleet.Host, late.DeepCopy())
	expect.Seen(t, fleet.Member("member2"), late.DeepCopy(), expect.Present) // the policy of now is known
	stays := func(template *corev1.ConfigMap) {
		t.Helper()
		expect.Seen(t, fleet.Host, expect.Binding(template), placedIn("member1"))
		expect.Seen(t, fleet.Member("member1"), template.DeepCopy(), expect.Present)
		absent(t, template.DeepCopy(), fleet.Member("member2"))
	}
	stays(settings)
	restartManagers(t, fleet)
	later := builder.ConfigMap(ns, "later", "color", "red")
	expect.Create(t, fleet.Host, later.DeepCopy())
	expect.Seen(t, fleet.Member("member2"), later.DeepCopy(), expect.Present) // there is a manager again
	stays(settings)

	expect.Change(t, fleet.Host, settings.DeepCopy(), func(c *corev1.ConfigMap) { c.Data["color"] = "green" })
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), value("color", "green"))
	expect.Gone(t, fleet.Member("member1"), settings.DeepCopy())
	stays(untouched)
}

// placedIn checks that one cluster was decided for a template.
func placedIn(cluster string) func(v1alpha1.Binding) error {
	return func(b v1alpha1.Binding) error {
		if clusters := b.BindingSpec().Clusters; len(clusters) != 1 || clusters[0].Name != cluster {
			return fmt.Errorf("it is placed in %v, want %s", clusters, cluster)
		}
		return nil
	}
}

// restartManagers ends every manager and runs them again.
func restartManagers(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	managers := []string{"manager-0", "manager-1"}
	for _, name := range managers {
		if err := fleet.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range managers {
		if err := fleet.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}
