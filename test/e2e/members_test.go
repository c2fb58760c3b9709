package e2e

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

func inNamespace(ns string) client.ListOption { return client.InNamespace(ns) }

func TestWhatSomebodyChangesInAMemberIsPutBack(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web, settings := builder.Deployment(ns, "web", builder.Replicas(2)), builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", ""), builder.Selecting("v1", "ConfigMap", "settings")),
		web.DeepCopy(), settings.DeepCopy())
	member := fleet.Member("member2")
	expect.Seen(t, member, web.DeepCopy(), ready(2))
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))

	expect.Change(t, member, web.DeepCopy(), func(d *appsv1.Deployment) { five := int32(5); d.Spec.Replicas = &five })
	expect.Seen(t, member, web.DeepCopy(), replicas(2))
	expect.Change(t, member, web.DeepCopy(), func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "evil:1" })
	expect.Seen(t, member, web.DeepCopy(), image("web:1"))
	expect.Change(t, member, settings.DeepCopy(), func(c *corev1.ConfigMap) { c.Data = map[string]string{"other": "x"} })
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
	expect.Change(t, member, settings.DeepCopy(), func(c *corev1.ConfigMap) { delete(c.Annotations, v1alpha1.HashAnnotation) })
	expect.Seen(t, member, settings.DeepCopy(), func(c *corev1.ConfigMap) error {
		if c.Annotations[v1alpha1.HashAnnotation] == "" {
			return fmt.Errorf("its mark is missing: %v", c.Annotations)
		}
		return nil
	})
}

func TestWhatSomebodyDeletesInAMemberIsCreatedAgain(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	member := fleet.Member("member3")
	held := settings.DeepCopy()
	expect.Seen(t, member, held, expect.Present)
	old := held.UID
	expect.Delete(t, member, held.DeepCopy())
	expect.Seen(t, member, settings.DeepCopy(), func(c *corev1.ConfigMap) error {
		if c.UID == old {
			return fmt.Errorf("it is still the deleted one")
		}
		return nil
	})
}

func TestWhatOthersAddInAMemberStays(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	member := fleet.Member("member1")
	expect.Seen(t, member, settings.DeepCopy(), expect.Present)
	expect.Change(t, member, settings.DeepCopy(), func(c *corev1.ConfigMap) {
		c.Labels["theirs"] = "yes"
		c.Data["extra"] = "yes"
	})
	expect.Change(t, fleet.Host, settings.DeepCopy(), func(c *corev1.ConfigMap) { c.Data["color"] = "blue" })
	expect.Seen(t, member, settings.DeepCopy(), func(c *corev1.ConfigMap) error {
		if c.Data["color"] != "blue" || c.Data["extra"] != "yes" || c.Labels["theirs"] != "yes" {
			return fmt.Errorf("it holds %v, labels %v", c.Data, c.Labels)
		}
		return nil
	})
}

func TestAForeignObjectIsLeftAloneAndReported(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	member := fleet.Member("member1")
	theirs := builder.ConfigMap(ns, "settings", "color", "green")
	expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, theirs.DeepCopy())

	settings := builder.ConfigMap(ns, "settings", "color", "red")
	policy := builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"))
	expect.Create(t, fleet.Host, policy, settings.DeepCopy())
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), value("color", "red"))
	expect.Seen(t, fleet.Host, expect.Binding(settings),
		expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonForeignObject, "member1"))
	kept := theirs.DeepCopy()
	expect.Seen(t, member, kept, value("color", "green"))

	t.Log("the template goes: the foreign object stays")
	expect.Delete(t, fleet.Host, settings.DeepCopy())
	expect.Gone(t, fleet.Host, expect.Binding(settings))
	expect.Seen(t, member, theirs.DeepCopy(), func(c *corev1.ConfigMap) error {
		if c.UID != kept.UID || c.ResourceVersion != kept.ResourceVersion {
			return fmt.Errorf("it was touched: %s to %s", kept.ResourceVersion, c.ResourceVersion)
		}
		return nil
	})

	t.Log("the policy says Overwrite: the foreign object is taken over")
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) { p.Spec.ConflictResolution = v1alpha1.ConflictOverwrite })
	expect.Create(t, fleet.Host, settings.DeepCopy())
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
}

func TestAForeignObjectThatWasBeingDeletedIsReplacedWhenItHasGone(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	member := fleet.Member("member1")
	theirs := builder.ConfigMap(ns, "settings", "color", "green")
	theirs.Finalizers = []string{"example.org/slow"}
	expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, theirs)
	expect.Delete(t, member, theirs.DeepCopy())

	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"), builder.Clusters("member1")), settings.DeepCopy())
	expect.Seen(t, fleet.Host, expect.Binding(settings),
		expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonApplying, "member1"))
	expect.Change(t, member, theirs, func(c *corev1.ConfigMap) { c.Finalizers = nil })
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
}

func TestADeletedNamespaceOnTheHostTakesItsObjectsFromTheMembers(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), expect.Present)
	}
	expect.Delete(t, fleet.Host, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	for _, member := range fleet.Members {
		expect.Gone(t, member, settings.DeepCopy())
		expect.Seen(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, expect.Present)
	}
	expect.Gone(t, fleet.Host, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
}

func TestATemplateOutsideATemplateNamespaceAlsoRunsOnTheHostAndSaysSo(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	unlabel := []byte(fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, v1alpha1.TemplatesLabel))
	if err := fleet.Host.Client().Patch(t.Context(), namespace, client.RawPatch(types.MergePatchType, unlabel)); err != nil {
		t.Fatal(err)
	}
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), settings.DeepCopy(), value("color", "red"))
	expect.Seen(t, fleet.Host, expect.Binding(settings),
		expect.Condition(v1alpha1.ConditionTemplateOnly, metav1.ConditionFalse, v1alpha1.ReasonRunsOnHost, ""))
}
