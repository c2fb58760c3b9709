package e2e

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

// replicas checks how many replicas a Deployment asks for.
func replicas(want int32) func(*appsv1.Deployment) error {
	return func(d *appsv1.Deployment) error {
		if *d.Spec.Replicas != want {
			return fmt.Errorf("it asks for %d replicas, want %d", *d.Spec.Replicas, want)
		}
		return nil
	}
}

// ready checks how many replicas of a Deployment are ready.
func ready(want int32) func(*appsv1.Deployment) error {
	return func(d *appsv1.Deployment) error {
		if d.Status.ReadyReplicas != want {
			return fmt.Errorf("%d replicas are ready, want %d: %+v", d.Status.ReadyReplicas, want, d.Status)
		}
		return nil
	}
}

// image checks the image of a Deployment's container.
func image(want string) func(*appsv1.Deployment) error {
	return func(d *appsv1.Deployment) error {
		if got := d.Spec.Template.Spec.Containers[0].Image; got != want {
			return fmt.Errorf("its image is %s, want %s", got, want)
		}
		return nil
	}
}

// value checks one value of a ConfigMap.
func value(key, want string) func(*corev1.ConfigMap) error {
	return func(c *corev1.ConfigMap) error {
		if c.Data[key] != want {
			return fmt.Errorf("%s is %q, want %q", key, c.Data[key], want)
		}
		return nil
	}
}

func TestADeploymentReachesEveryMemberAndItsStatusComesBack(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web", builder.Replicas(2))
	expect.Create(t, fleet.Host, builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "web")), web.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, web.DeepCopy(), ready(2))
	}
	expect.Seen(t, fleet.Host, web.DeepCopy(), ready(2)) // every cluster has the two that the spec asks for
	expect.Seen(t, fleet.Host, expect.Binding(web), expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionTrue, v1alpha1.ReasonAllHealthy, ""))
	expect.Seen(t, fleet.Host, expect.Binding(web), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))
	noneSpawned(t, ns)
}

// noneSpawned makes sure that nothing runs on the host because of templates.
func noneSpawned(t *testing.T, ns string) {
	t.Helper()
	host := bed.Fleet(t).Host.Client()
	var sets appsv1.ReplicaSetList
	if err := host.List(t.Context(), &sets, inNamespace(ns)); err != nil || len(sets.Items) > 0 {
		t.Errorf("the host holds %d ReplicaSets (%v), want none", len(sets.Items), err)
	}
	var pods corev1.PodList
	if err := host.List(t.Context(), &pods, inNamespace(ns)); err != nil || len(pods.Items) > 0 {
		t.Errorf("the host holds %d Pods (%v), want none", len(pods.Items), err)
	}
}

func TestReplicasAreDividedByWeight(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web", builder.Replicas(8))
	policy := builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "web"),
		builder.Weights(map[string]int64{"member1": 2, "member2": 1, "member3": 1}))
	expect.Create(t, fleet.Host, policy, web.DeepCopy())
	for name, want := range map[string]int32{"member1": 4, "member2": 2, "member3": 2} {
		expect.Seen(t, fleet.Member(name), web.DeepCopy(), ready(want))
	}
	expect.Seen(t, fleet.Host, web.DeepCopy(), ready(8))
}

func TestEveryChangeOfTheTemplateReachesTheMembers(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web")
	expect.Create(t, fleet.Host, builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "")), web.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, web.DeepCopy(), ready(1))
	}
	for _, step := range []struct {
		what   string
		change func(*appsv1.Deployment)
		check  func(*appsv1.Deployment) error
	}{
		{"a new image", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "web:2" }, image("web:2")},
		{"more replicas", func(d *appsv1.Deployment) { three := int32(3); d.Spec.Replicas = &three }, replicas(3)},
		{"a new label", func(d *appsv1.Deployment) { d.Labels["tier"] = "front" }, label("tier", "front")},
		{"a label less", func(d *appsv1.Deployment) { delete(d.Labels, "tier") }, label("tier", "")},
		{"no replicas", func(d *appsv1.Deployment) { zero := int32(0); d.Spec.Replicas = &zero }, replicas(0)},
	} {
		expect.Change(t, fleet.Host, web.DeepCopy(), step.change)
		for _, member := range fleet.Members {
			t.Logf("%s in %s", step.what, member.Name)
			expect.Seen(t, member, web.DeepCopy(), step.check)
		}
	}
}

func label(key, want string) func(*appsv1.Deployment) error {
	return func(d *appsv1.Deployment) error {
		if d.Labels[key] != want {
			return fmt.Errorf("its label %s is %q, want %q", key, d.Labels[key], want)
		}
		return nil
	}
}

func TestAChangedPolicyMovesWhatItGoverns(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web")
	policy := builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", ""), builder.Clusters("member1", "member2"))
	expect.Create(t, fleet.Host, policy, web.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), web.DeepCopy(), ready(1))
	expect.Seen(t, fleet.Member("member2"), web.DeepCopy(), ready(1))
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2", "member3"}
	})
	expect.Seen(t, fleet.Member("member3"), web.DeepCopy(), ready(1))
	expect.Gone(t, fleet.Member("member1"), web.DeepCopy())
	expect.Seen(t, fleet.Member("member2"), web.DeepCopy(), ready(1))
}

func TestATypoInAnAffinityIsNoOutage(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web")
	policy := builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", ""), builder.Clusters("member1"))
	expect.Create(t, fleet.Host, policy, web.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), web.DeepCopy(), ready(1))
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"membre1"}
	})
	expect.Seen(t, fleet.Host, expect.Binding(web),
		expect.Condition(v1alpha1.ConditionScheduled, metav1.ConditionFalse, v1alpha1.ReasonNoClusterFit, "0/3"))
	expect.Seen(t, fleet.Member("member1"), web.DeepCopy(), ready(1))
}

func TestADeletedTemplateLeavesEveryMember(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web")
	expect.Create(t, fleet.Host, builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "")), web.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, web.DeepCopy(), expect.Present)
	}
	expect.Delete(t, fleet.Host, web.DeepCopy())
	for _, member := range fleet.Members {
		expect.Gone(t, member, web.DeepCopy())
	}
	expect.Gone(t, fleet.Host, expect.Binding(web))
}

func TestADeletedPolicyLeavesEverythingWhereItIs(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	policy := builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"))
	expect.Create(t, fleet.Host, policy, settings.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
	}
	expect.Delete(t, fleet.Host, policy)
	expect.Change(t, fleet.Host, settings.DeepCopy(), func(c *corev1.ConfigMap) { c.Data["color"] = "blue" })
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), value("color", "blue"))
	}
}

func TestAPreservedObjectStaysInTheMemberWithoutMarks(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"), builder.Preserving()), settings.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), expect.Present)
	}
	expect.Delete(t, fleet.Host, settings.DeepCopy())
	expect.Gone(t, fleet.Host, expect.Binding(settings))
	for _, member := range fleet.Members {
		expect.Seen(t, member, settings.DeepCopy(), func(c *corev1.ConfigMap) error {
			if len(c.Annotations) > 0 || c.Labels[v1alpha1.ManagedLabel] != "" {
				return fmt.Errorf("it still carries marks: %v %v", c.Labels, c.Annotations)
			}
			return nil
		})
	}
}

// TestObjectsThatAreToBePreservedStayWhenTheirTemplatesGoAtOnce has so many templates that most of their bindings are not told any more.
func TestObjectsThatAreToBePreservedStayWhenTheirTemplatesGoAtOnce(t *testing.T) {
	const templates = 60
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	policy := builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", ""), builder.Clusters("member1"))
	expect.Create(t, fleet.Host, policy)
	settings := make([]*corev1.ConfigMap, templates)
	for i := range settings {
		settings[i] = builder.ConfigMap(ns, fmt.Sprintf("settings-%d", i), "color", "red")
		expect.Create(t, fleet.Host, settings[i].DeepCopy())
	}
	member := fleet.Member("member1")
	for _, copied := range settings {
		expect.Seen(t, member, copied, expect.Present)
	}
	expect.Change(t, fleet.Host, policy, func(p *v1alpha1.PropagationPolicy) { p.Spec.PreserveResourcesOnDeletion = ptr.To(true) })
	if err := fleet.Host.Client().DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	for _, copied := range settings {
		uid := copied.UID
		expect.Gone(t, fleet.Host, expect.Binding(copied))
		expect.Seen(t, member, copied, released)
		if copied.UID != uid {
			t.Errorf("%s is another one", copied.Name)
		}
	}
}
