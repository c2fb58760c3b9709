package failover

import (
	"context"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// step is one write of an eviction from member1, as it is seen from outside.
type step struct {
	name    string
	cluster string // where it is written; the host when empty
	seen    func(obj client.Object, kind watch.EventType) bool
}

// steps are the writes of an eviction, in their order.
var steps = []step{
	{"the task", "", onBinding(func(spec *v1alpha1.BindingSpec) bool { return len(spec.GracefulEvictionTasks) > 0 })},
	{"the decision", "", onBinding(func(spec *v1alpha1.BindingSpec) bool { return !spec.Decides("member1") })},
	{"the replacement", "member2", onDeployment(func(_ *appsv1.Deployment, kind watch.EventType) bool { return kind == watch.Added })},
	{"the report that it is ready", "", func(obj client.Object, _ watch.EventType) bool {
		b, ok := obj.(*v1alpha1.ResourceBinding)
		return ok && slices.ContainsFunc(b.Status.AggregatedStatus, func(i v1alpha1.AggregatedStatusItem) bool {
			return i.ClusterName == "member2" && i.Health == v1alpha1.Healthy
		})
	}},
	{"that the old copy may go", "", onBinding(func(spec *v1alpha1.BindingSpec) bool {
		return !spec.Decides("member1") && !spec.Retains("member1")
	})},
	{"the removal of the old copy", "member1", onDeployment(func(_ *appsv1.Deployment, kind watch.EventType) bool { return kind == watch.Deleted })},
}

func onBinding(seen func(*v1alpha1.BindingSpec) bool) func(client.Object, watch.EventType) bool {
	return func(obj client.Object, _ watch.EventType) bool {
		b, ok := obj.(*v1alpha1.ResourceBinding)
		return ok && len(b.Spec.Clusters) > 0 && seen(&b.Spec)
	}
}

func onDeployment(seen func(*appsv1.Deployment, watch.EventType) bool) func(client.Object, watch.EventType) bool {
	return func(obj client.Object, kind watch.EventType) bool {
		d, ok := obj.(*appsv1.Deployment)
		return ok && seen(d, kind)
	}
}

func TestAManagerThatIsKilledAfterAnyWriteOfAnEvictionIsContinued(t *testing.T) {
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			fleet, ns := start(t)
			one := func(spec *v1alpha1.PropagationSpec) {
				spec.Placement.SpreadConstraints = []v1alpha1.SpreadConstraint{{SpreadByField: v1alpha1.SpreadByCluster, MinGroups: 1, MaxGroups: new(int32(1))}}
			}
			foo, p := placed(t, fleet, ns, builder.ByRoom(), one, builder.Clusters("member1"))
			namingClusters(t, fleet, p, "member1", "member2")
			watcher := serve(t, fleet, foo, wanted)
			killed := killAt(t, fleet, ns, s)
			taint(t, fleet, "member1", "example.com/maintenance", func() {
				select {
				case <-killed:
				case <-t.Context().Done():
				}
				if err := fleet.Start(t.Context(), "manager-0"); err != nil {
					t.Fatal(err)
				}
				only(t, fleet, foo, "member2")
			})
			serves(t, fleet, foo, wanted)
			watcher.neverDipped(t, s.name)
		})
	}
}

// killAt kills the manager the moment that a write is seen.
func killAt(t *testing.T, fleet *local.Fleet, ns string, s step) <-chan struct{} {
	t.Helper()
	cluster, list := fleet.Host, client.ObjectList(&v1alpha1.ResourceBindingList{})
	if s.cluster != "" {
		cluster, list = fleet.Member(s.cluster), &appsv1.DeploymentList{}
	}
	w, err := cluster.Client().Watch(t.Context(), list, client.InNamespace(ns))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for e := range w.ResultChan() {
			obj, ok := e.Object.(client.Object)
			if !ok || !s.seen(obj, e.Type) {
				continue
			}
			if err := fleet.Kill(context.WithoutCancel(t.Context()), "manager-0"); err != nil {
				t.Errorf("killing the manager: %v", err)
			}
			return
		}
	}()
	return killed
}

func TestAnApplicationThatFailsMovesWithItsStateAndDoesNotComeBack(t *testing.T) {
	fleet, ns := start(t)
	one := func(spec *v1alpha1.PropagationSpec) {
		spec.Placement.SpreadConstraints = []v1alpha1.SpreadConstraint{{SpreadByField: v1alpha1.SpreadByCluster, MinGroups: 1, MaxGroups: new(int32(1))}}
		spec.Failover = &v1alpha1.FailoverBehavior{Application: &v1alpha1.ApplicationFailoverBehavior{
			DecisionConditions: v1alpha1.DecisionConditions{TolerationSeconds: new(int32(6))}, PurgeMode: v1alpha1.PurgeGracefully,
			StatePreservation: &v1alpha1.StatePreservation{Rules: []v1alpha1.StatePreservationRule{{AliasLabelName: "example.com/generation", JSONPath: "{.observedGeneration}"}}},
		}}
	}
	foo, p := placed(t, fleet, ns, builder.ByRoom(), one, builder.Clusters("member1"))
	namingClusters(t, fleet, p, "member1", "member2")
	expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionTrue, v1alpha1.ReasonAllHealthy, ""))
	watcher := serve(t, fleet, foo, wanted-wanted/4) // its own rolling update takes a quarter
	broken := nowhere(ns, "member1")
	expect.Create(t, fleet.Host, broken)
	expect.Seen(t, fleet.Member("member2"), foo.DeepCopy(), func(d *appsv1.Deployment) error {
		if d.Labels["example.com/generation"] == "" || d.Status.ReadyReplicas != wanted {
			return fmt.Errorf("it has the labels %v and %d ready replicas", d.Labels, d.Status.ReadyReplicas)
		}
		return nil
	})
	expect.Gone(t, fleet.Member("member1"), client.Object(foo.DeepCopy()))

	expect.Delete(t, fleet.Host, broken) // member1 would do again, but it has to cool down
	expect.Change(t, fleet.Host, foo.DeepCopy(), func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "registry.example/web:2" })
	expect.Seen(t, fleet.Host, expect.Binding(foo), func(b v1alpha1.Binding) error {
		tasks := b.BindingSpec().GracefulEvictionTasks
		if len(tasks) != 1 || tasks[0].Reason != v1alpha1.ReasonApplicationFailure || b.BindingSpec().Decides("member1") {
			return fmt.Errorf("it is in %v, tasks %v", b.BindingSpec().Clusters, tasks)
		}
		return nil
	})
	err := fleet.Member("member1").Client().Get(t.Context(), client.ObjectKeyFromObject(foo), &appsv1.Deployment{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("member1 has it again (%v)", err)
	}
	watcher.neverDipped(t, "foo")
}
