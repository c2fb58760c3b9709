package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// hold is a finalizer of a member's own.
const hold = "e2e.example.com/hold"

// configured makes a Deployment take its environment from ConfigMaps.
func configured(names ...string) builder.DeploymentOption {
	return func(d *appsv1.Deployment) {
		for _, name := range names {
			from := corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}
			d.Spec.Template.Spec.Containers[0].EnvFrom = append(d.Spec.Template.Spec.Containers[0].EnvFrom, from)
		}
	}
}

// bringingAlong lets what templates need go along.
func bringingAlong() builder.PolicyOption {
	return func(s *v1alpha1.PropagationSpec) { s.PropagateDeps = true }
}

// absent makes sure that clusters do not hold an object at this moment.
func absent(t *testing.T, obj client.Object, clusters ...*local.Cluster) {
	t.Helper()
	for _, cluster := range clusters {
		if err := cluster.Client().Get(t.Context(), client.ObjectKeyFromObject(obj), obj); client.IgnoreNotFound(err) != nil || err == nil {
			t.Errorf("%T %s is in %s (%v), want it not to be there", obj, obj.GetName(), cluster.Name, err)
		}
	}
}

// bindings waits until a namespace of the host has so many bindings.
func bindings(t *testing.T, ns string, want int) {
	t.Helper()
	expect.Eventually(t, fmt.Sprintf("%d bindings", want), func(ctx context.Context) error {
		var list v1alpha1.ResourceBindingList
		if err := bed.Fleet(t).Host.Client().List(ctx, &list, inNamespace(ns)); err != nil {
			return err
		}
		var names []string
		for _, b := range list.Items {
			names = append(names, b.Name)
		}
		if len(names) != want {
			return fmt.Errorf("there are %d: %v", len(names), names)
		}
		return nil
	})
}

func TestWhatAWorkloadNeedsGoesAlong(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	kubectl(t, "--namespace="+ns, "apply", "-f", samples+"/dependencies/workload.yaml")
	named := func(obj client.Object, name string) client.Object {
		obj.SetNamespace(ns)
		obj.SetName(name)
		return obj
	}
	along := []client.Object{
		named(&corev1.ConfigMap{}, "workload-settings"), named(&corev1.Secret{}, "workload-credentials"), named(&corev1.Secret{}, "workload-registry"),
		named(&corev1.ServiceAccount{}, "workload"), named(&autoscalingv2.HorizontalPodAutoscaler{}, "workload"), named(&policyv1.PodDisruptionBudget{}, "workload"),
	}
	web := builder.Deployment(ns, "workload")
	for _, name := range []string{"member1", "member2"} {
		expect.Seen(t, fleet.Member(name), web.DeepCopy(), ready(2))
		for _, obj := range along {
			expect.Seen(t, fleet.Member(name), obj, expect.Present)
		}
	}
	settings := builder.ConfigMap(ns, "workload-settings")
	expect.Seen(t, fleet.Host, expect.Binding(settings), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, "2 clusters"))
	expect.Change(t, fleet.Host, settings.DeepCopy(), func(c *corev1.ConfigMap) { c.Data["color"] = "green" })
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), value("color", "green"))
	bindings(t, ns, 1+len(along))
	absent(t, builder.ConfigMap(ns, "not-needed"), fleet.Members...)
	for _, obj := range append(along, web) {
		absent(t, obj, fleet.Member("member3"))
	}

	expect.Delete(t, fleet.Host, web.DeepCopy())
	for _, name := range []string{"member1", "member2"} {
		for _, obj := range append(along, web) {
			expect.Gone(t, fleet.Member(name), obj)
		}
	}
	bindings(t, ns, 0)
	expect.Seen(t, fleet.Host, settings.DeepCopy(), expect.Present) // the user's own stays
}

func TestAPolicyOfItsOwnDecidesAboutWhatGoesAlong(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	kubectl(t, "--namespace="+ns, "apply", "-f", samples+"/dependencies/ingress.yaml")
	certificate := func() *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "ingress-certificate"}}
	}
	expect.Seen(t, fleet.Member("member1"), certificate(), expect.Present)
	expect.Seen(t, fleet.Member("member3"), certificate(), expect.Present)
	absent(t, certificate(), fleet.Member("member2"))
	expect.Delete(t, fleet.Host, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "ingress"}})
	expect.Gone(t, fleet.Member("member1"), certificate())
	expect.Seen(t, fleet.Member("member3"), certificate(), expect.Present)
}

func TestWhatIsSharedAndAppearsLaterStaysUntilTheLastOneGoes(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web, api := builder.Deployment(ns, "web", configured("shared")), builder.Deployment(ns, "api", configured("shared", "own"))
	expect.Create(t, fleet.Host,
		builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "web"), builder.Clusters("member1", "member2"), bringingAlong()),
		builder.Policy(ns, "api", builder.Selecting("apps/v1", "Deployment", "api"), builder.Clusters("member2", "member3"), bringingAlong()),
		web.DeepCopy(), api.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), web.DeepCopy(), expect.Present)
	expect.Seen(t, fleet.Member("member3"), api.DeepCopy(), expect.Present)
	shared, own := builder.ConfigMap(ns, "shared", "color", "red"), builder.ConfigMap(ns, "own", "color", "blue")
	expect.Create(t, fleet.Host, shared.DeepCopy(), own.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, shared.DeepCopy(), value("color", "red"))
	}
	expect.Seen(t, fleet.Member("member3"), own.DeepCopy(), expect.Present)
	absent(t, own.DeepCopy(), fleet.Member("member1"))

	expect.Delete(t, fleet.Host, api.DeepCopy())
	expect.Gone(t, fleet.Member("member3"), shared.DeepCopy())
	expect.Gone(t, fleet.Member("member2"), own.DeepCopy())
	expect.Seen(t, fleet.Member("member2"), shared.DeepCopy(), expect.Present)
	expect.Delete(t, fleet.Host, web.DeepCopy())
	for _, member := range fleet.Members {
		expect.Gone(t, member, shared.DeepCopy())
	}
	bindings(t, ns, 0)
}

// TestWhatIsSharedStaysWhereAnOwnerWantedItPreserved deletes the owner that preserves first, and the other one last.
func TestWhatIsSharedStaysWhereAnOwnerWantedItPreserved(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web, api := builder.Deployment(ns, "web", configured("shared")), builder.Deployment(ns, "api", configured("shared"))
	shared := builder.ConfigMap(ns, "shared", "color", "red")
	expect.Create(t, fleet.Host, shared.DeepCopy(),
		builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "web"), builder.Clusters("member1"), bringingAlong(), builder.Preserving()),
		builder.Policy(ns, "api", builder.Selecting("apps/v1", "Deployment", "api"), builder.Clusters("member3"), bringingAlong()),
		web.DeepCopy(), api.DeepCopy())
	for _, name := range []string{"member1", "member3"} {
		expect.Seen(t, fleet.Member(name), shared.DeepCopy(), expect.Present)
	}
	expect.Seen(t, fleet.Member("member1"), web.DeepCopy(), expect.Present)
	expect.Delete(t, fleet.Host, web.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), web.DeepCopy(), released)
	expect.Seen(t, fleet.Host, expect.Binding(shared), func(b v1alpha1.Binding) error {
		if in := b.BindingSpec().PreservedIn; len(in) != 1 || in[0] != "member1" {
			return fmt.Errorf("it is preserved in %v", in)
		}
		return nil
	})
	expect.Delete(t, fleet.Host, api.DeepCopy())
	expect.Gone(t, fleet.Member("member3"), shared.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), shared.DeepCopy(), released)
	bindings(t, ns, 0)
}

// released checks that an object is not Flotilla's any more, and not being deleted.
func released[T client.Object](obj T) error {
	if obj.GetLabels()[v1alpha1.ManagedLabel] != "" || obj.GetDeletionTimestamp() != nil {
		return fmt.Errorf("its labels are %v, and it is being deleted: %v", obj.GetLabels(), obj.GetDeletionTimestamp())
	}
	return nil
}

func TestWhatGoesAlongLeavesAfterItsOwner(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web, settings := builder.Deployment(ns, "web", configured("settings")), builder.ConfigMap(ns, "settings", "color", "red")
	policy := builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", ""), builder.Clusters("member1"), bringingAlong())
	expect.Create(t, fleet.Host, policy, settings.DeepCopy(), web.DeepCopy())
	old := fleet.Member("member1")
	expect.Seen(t, old, web.DeepCopy(), ready(1))
	expect.Seen(t, fleet.Host, expect.Binding(web), expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionTrue, v1alpha1.ReasonAllHealthy, ""))
	expect.Change(t, old, web.DeepCopy(), func(d *appsv1.Deployment) { d.Finalizers = append(d.Finalizers, hold) })
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	expect.Seen(t, fleet.Member("member2"), web.DeepCopy(), ready(1))
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), expect.Present)
	expect.Seen(t, old, web.DeepCopy(), func(d *appsv1.Deployment) error {
		if d.DeletionTimestamp == nil {
			return fmt.Errorf("it is not being deleted")
		}
		return nil
	})
	expect.Seen(t, fleet.Host, expect.Binding(settings), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, "2 clusters"))
	expect.Seen(t, old, settings.DeepCopy(), func(c *corev1.ConfigMap) error {
		if c.DeletionTimestamp != nil {
			return fmt.Errorf("it goes before its owner")
		}
		return nil
	})
	expect.Change(t, old, web.DeepCopy(), func(d *appsv1.Deployment) { d.Finalizers = nil })
	expect.Gone(t, old, web.DeepCopy())
	expect.Gone(t, old, settings.DeepCopy())
	expect.Seen(t, fleet.Member("member2"), settings.DeepCopy(), expect.Present)
}

func TestEverySampleOfDependenciesIsTested(t *testing.T) {
	files, err := os.ReadDir(samples + "/dependencies")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := file.Name(); name != "workload.yaml" && name != "ingress.yaml" {
			t.Errorf("no test applies %s", name)
		}
	}
}
