package e2e

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

// ruled sets a policy's apply rules.
func ruled(rules v1alpha1.ApplyRules) builder.PolicyOption {
	return func(s *v1alpha1.PropagationSpec) { s.ApplyRules = &rules }
}

func setColor(color string) func(*corev1.ConfigMap) {
	return func(c *corev1.ConfigMap) { c.Data["color"] = color }
}

func TestASuspendedPolicyLeavesMembersAsTheyAre(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	witness := builder.ConfigMap(ns, "witness")
	policy := builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"), builder.Selecting("v1", "ConfigMap", "witness"))
	policy.Spec.Suspension = &v1alpha1.Suspension{DispatchingOnClusters: &v1alpha1.SuspendClusters{ClusterNames: []string{"member2"}}}
	expect.Create(t, fleet.Host, policy.DeepCopy(), settings.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), settings.DeepCopy(), value("color", "red"))
	suspended := expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonDispatchSuspended, "member2")
	expect.Seen(t, fleet.Host, expect.Binding(settings), suspended)
	expect.Gone(t, fleet.Member("member2"), settings.DeepCopy())

	t.Log("everything is suspended: a change stays on the host")
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Suspension = &v1alpha1.Suspension{Dispatching: ptr.To(true)}
	})
	expect.Seen(t, fleet.Host, expect.Binding(settings), func(b v1alpha1.Binding) error {
		if s := b.BindingSpec().Suspension; s == nil || !ptr.Deref(s.Dispatching, false) {
			return fmt.Errorf("its suspension is %+v", s)
		}
		return nil
	})
	t.Log("who dispatches knows it when it holds what was bound later: bindings come in order, template and binding do not")
	expect.Create(t, fleet.Host, witness.DeepCopy())
	everywhere := expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonDispatchSuspended, "member1")
	expect.Seen(t, fleet.Host, expect.Binding(witness), everywhere)
	expect.Change(t, fleet.Host, settings.DeepCopy(), setColor("blue"))
	expect.Seen(t, fleet.Host, expect.Binding(settings), everywhere)
	expect.Seen(t, fleet.Member("member1"), settings.DeepCopy(), value("color", "red"))

	t.Log("the suspension ends")
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) { p.Spec.Suspension = nil })
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), value("color", "blue"))
	}
}

func TestAForeignObjectThatIsTheSameIsTakenOver(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	same, other := builder.ConfigMap(ns, "same", "color", "red"), builder.ConfigMap(ns, "other", "color", "red")
	differs := other.DeepCopy()
	differs.Data["color"] = "green"
	member := fleet.Member("member1")
	expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, same.DeepCopy(), differs)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "same"), builder.Selecting("v1", "ConfigMap", "other"),
		builder.Clusters("member1"), ruled(v1alpha1.ApplyRules{TakeOver: v1alpha1.TakeOverIfSame})), same.DeepCopy(), other.DeepCopy())
	expect.Seen(t, member, same.DeepCopy(), hasLabel(v1alpha1.ManagedLabel, "true"))
	expect.Seen(t, fleet.Host, expect.Binding(other), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonForeignObject, "differs from the manifest"))
	expect.Seen(t, member, other.DeepCopy(), value("color", "green"))
}

func TestAnObjectOfAnotherHostIsNeverTakenOver(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	theirs := builder.ConfigMap(ns, "settings", "color", "green")
	theirs.Labels = map[string]string{v1alpha1.ManagedLabel: "true"}
	theirs.Annotations = map[string]string{v1alpha1.HostAnnotation: "another-host", v1alpha1.BindingAnnotation: ns + "/settings"}
	member := fleet.Member("member1")
	expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, theirs.DeepCopy())
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"), builder.Clusters("member1"), builder.Overwriting()), settings.DeepCopy())
	expect.Seen(t, fleet.Host, expect.Binding(settings), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonOtherHost, "another Flotilla host manages"))
	expect.Delete(t, fleet.Host, settings.DeepCopy())
	expect.Gone(t, fleet.Host, expect.Binding(settings))
	expect.Seen(t, member, theirs.DeepCopy(), value("color", "green"))
}

func TestAFieldThatIsLeftAfterCreationIsTheMembers(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web", builder.Replicas(2))
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", "web"), builder.Clusters("member1"),
		ruled(v1alpha1.ApplyRules{IgnoreFields: []v1alpha1.IgnoredField{{Path: "/spec/replicas", When: v1alpha1.IgnoreAfterCreation}}})), web.DeepCopy())
	member := fleet.Member("member1")
	expect.Seen(t, member, web.DeepCopy(), replicas(2))

	t.Log("the template changes before anybody else does: the member's value stays")
	expect.Change(t, fleet.Host, web.DeepCopy(), func(d *appsv1.Deployment) {
		d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image = ptr.To[int32](4), "web:2"
	})
	expect.Seen(t, member, web.DeepCopy(), image("web:2"))
	expect.Seen(t, member, web.DeepCopy(), replicas(2))
	t.Log("somebody in the member changes it: it stays so, also when the template changes again")
	expect.Change(t, member, web.DeepCopy(), func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](5) })
	expect.Change(t, fleet.Host, web.DeepCopy(), func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "web:3" })
	expect.Seen(t, member, web.DeepCopy(), image("web:3"))
	expect.Seen(t, member, web.DeepCopy(), replicas(5))
}

func TestAnArgumentThatIsLeftAfterCreationIsTheMembers(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web")
	web.Spec.Template.Spec.Containers[0].Args = []string{"--level=1", "--size=2"}
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", "web"), builder.Clusters("member1"),
		ruled(v1alpha1.ApplyRules{IgnoreFields: []v1alpha1.IgnoredField{{Path: "/spec/template/spec/containers/0/args/0", When: v1alpha1.IgnoreAfterCreation}}})), web.DeepCopy())
	member := fleet.Member("member1")
	arguments := func(want ...string) func(*appsv1.Deployment) error {
		return func(d *appsv1.Deployment) error {
			if got := d.Spec.Template.Spec.Containers[0].Args; !slices.Equal(got, want) {
				return fmt.Errorf("its arguments are %v, want %v", got, want)
			}
			return nil
		}
	}
	expect.Seen(t, member, web.DeepCopy(), arguments("--level=1", "--size=2"))
	t.Log("the template changes beside it, and at its place: the member's value stays")
	expect.Change(t, fleet.Host, web.DeepCopy(), func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Args = []string{"--level=3", "--size=4"}
	})
	expect.Seen(t, member, web.DeepCopy(), arguments("--level=1", "--size=4"))
}

func TestWhatIsOnlyCreatedIsTheMembersFromThenOn(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings, marker := builder.ConfigMap(ns, "settings", "color", "red"), builder.ConfigMap(ns, "marker", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "once", builder.Selecting("v1", "ConfigMap", "settings"), builder.Clusters("member1"), ruled(v1alpha1.ApplyRules{Mode: v1alpha1.ApplyCreateOnly})),
		builder.Policy(ns, "always", builder.Selecting("v1", "ConfigMap", "marker"), builder.Clusters("member1")), settings.DeepCopy(), marker.DeepCopy())
	member := fleet.Member("member1")
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
	expect.Change(t, fleet.Host, settings.DeepCopy(), setColor("blue"))
	expect.Change(t, fleet.Host, marker.DeepCopy(), setColor("blue"))
	expect.Seen(t, member, marker.DeepCopy(), value("color", "blue"))
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
	t.Log("the template goes, and with it the copy")
	expect.Delete(t, fleet.Host, settings.DeepCopy())
	expect.Gone(t, member, settings.DeepCopy())
}

func TestDriftThatIsOnlyReportedStaysAndIsTold(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"), builder.Clusters("member1"),
		ruled(v1alpha1.ApplyRules{DriftPolicy: v1alpha1.DriftReport})), settings.DeepCopy())
	member := fleet.Member("member1")
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
	expect.Change(t, member, settings.DeepCopy(), setColor("green"))
	expect.Seen(t, fleet.Host, expect.Binding(settings), func(b v1alpha1.Binding) error {
		items := b.BindingStatus().AggregatedStatus
		if len(items) != 1 || len(items[0].Drift) != 1 {
			return fmt.Errorf("no drift is told: %+v", items)
		}
		if got := items[0].Drift[0]; got.Path != "/data/color" || got.Wanted != `"red"` || got.Found != `"green"` || got.Since.IsZero() {
			return fmt.Errorf("the drift is %+v", got)
		}
		return expect.HasCondition(b.BindingStatus().Conditions, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonDrifted, "/data/color was changed there")
	})
	expect.Seen(t, member, settings.DeepCopy(), value("color", "green"))
	t.Log("a change of the template is applied")
	expect.Change(t, fleet.Host, settings.DeepCopy(), setColor("blue"))
	expect.Seen(t, member, settings.DeepCopy(), value("color", "blue"))
}

func TestAPolicyWithPreemptionTakesATemplate(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "first", builder.Selecting("v1", "ConfigMap", "settings"), builder.Clusters("member1")), settings.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), settings.DeepCopy(), expect.Present)
	urgent := builder.Policy(ns, "urgent", builder.Selecting("v1", "ConfigMap", ""), builder.Clusters("member2"))
	urgent.Spec.Priority, urgent.Spec.Preemption = ptr.To[int32](1), v1alpha1.PreemptAlways
	expect.Create(t, fleet.Host, urgent)
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), expect.Present)
	expect.Gone(t, fleet.Member("member1"), settings.DeepCopy())
}

func TestTheSampleOfApplyRulesDoesWhatItSays(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	kubectl(t, "--namespace="+ns, "apply", "-f", samples+"/apply-rules")
	web, first := builder.Deployment(ns, "web", builder.Replicas(2)), builder.ConfigMap(ns, "first-settings", "color", "red")
	expect.Create(t, fleet.Host, web.DeepCopy(), first.DeepCopy())
	member := fleet.Member("member1")
	expect.Seen(t, member, web.DeepCopy(), replicas(2))
	expect.Seen(t, member, first.DeepCopy(), value("color", "red"))
	expect.Seen(t, fleet.Host, expect.Binding(first), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonDispatchSuspended, "member3"))
	expect.Change(t, member, web.DeepCopy(), func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](5) })
	expect.Change(t, member, first.DeepCopy(), setColor("green"))
	expect.Change(t, fleet.Host, web.DeepCopy(), func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "web:2" })
	expect.Seen(t, member, web.DeepCopy(), image("web:2"))
	expect.Seen(t, member, web.DeepCopy(), replicas(5))
	expect.Seen(t, member, first.DeepCopy(), value("color", "green"))
}
