package scheduling

import (
	"context"
	"fmt"
	"math"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// unschedulable is a check for the condition of a binding with pending replicas.
func unschedulable(message string) func(v1alpha1.Binding) error {
	return expect.Condition(v1alpha1.ConditionScheduled, metav1.ConditionFalse, v1alpha1.ReasonUnschedulable, message)
}

// booked sums what is placed and what is pending in a namespace, after checking that each template's sum holds.
func booked(ctx context.Context, fleet *local.Fleet, ns string, templates int) (placed, pending int32, err error) {
	var bindings v1alpha1.ResourceBindingList
	if err := fleet.Host.Client().List(ctx, &bindings, inNamespace(ns)); err != nil {
		return 0, 0, err
	}
	if len(bindings.Items) != templates {
		return 0, 0, fmt.Errorf("there are %d bindings, want %d", len(bindings.Items), templates)
	}
	for i := range bindings.Items {
		b := &bindings.Items[i]
		var own int32
		for _, n := range expect.Placement(b) {
			own += n
		}
		if want := ptr.Deref(b.Spec.Replicas, 0); own+b.Status.PendingReplicas != want {
			return 0, 0, fmt.Errorf("%s: %d placed and %d pending are not %d", b.Name, own, b.Status.PendingReplicas, want)
		}
		placed, pending = placed+own, pending+b.Status.PendingReplicas
	}
	return placed, pending, nil
}

// filled waits until the templates of a namespace have exactly that much placed, and all of it is ready.
func filled(t *testing.T, fleet *local.Fleet, ns string, templates int, wantPlaced, wantPending int32) {
	t.Helper()
	expect.Eventually(t, "full clusters", func(ctx context.Context) error {
		placed, pending, err := booked(ctx, fleet, ns, templates)
		if err != nil {
			return err
		}
		if placed != wantPlaced || pending != wantPending {
			return fmt.Errorf("%d replicas are placed and %d pending, want %d and %d", placed, pending, wantPlaced, wantPending)
		}
		running := int32(0)
		for _, member := range fleet.Members {
			var list appsv1.DeploymentList
			if err := member.Client().List(ctx, &list, inNamespace(ns)); err != nil {
				return err
			}
			for i := range list.Items {
				running += list.Items[i].Status.ReadyReplicas
			}
		}
		if running != wantPlaced {
			return fmt.Errorf("%d replicas are ready, want %d", running, wantPlaced)
		}
		return nil
	})
}

func TestFiftyDeploymentsReleasedAtOnceFillTheClustersAndOverbookNone(t *testing.T) {
	fleet, ns := start(t)
	stuck := watchStuck(t, fleet, ns)
	const n, each, room = 50, 2, 2 * allCPUs // half a CPU per replica
	expect.Create(t, fleet.Host, governing(ns, "", builder.ByRoom()))
	for i := range n {
		expect.Create(t, fleet.Host, web(ns, fmt.Sprintf("w%02d", i), each, builder.Requests("cpu", "500m")))
	}
	filled(t, fleet, ns, n, room, n*each-room)

	t.Log("ten that run go, and what waited takes their room")
	var bindings v1alpha1.ResourceBindingList
	if err := fleet.Host.Client().List(t.Context(), &bindings, inNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	deleted := 0
	for i := range bindings.Items {
		if b := &bindings.Items[i]; deleted < 10 && b.Status.PendingReplicas == 0 {
			expect.Delete(t, fleet.Host, builder.Deployment(ns, b.Spec.Resource.Name))
			deleted++
		}
	}
	if deleted != 10 {
		t.Fatalf("only %d templates were placed wholly, want at least 10", deleted)
	}
	filled(t, fleet, ns, n-deleted, room, int32((n-deleted)*each-room))
	stuck.none(t)
}

func TestReplicasGoOnlyWhereANodeHoldsOne(t *testing.T) {
	fleet, ns := start(t)
	stuck := watchStuck(t, fleet, ns)
	large := web(ns, "large", 10, builder.Requests("cpu", "3"))
	expect.Create(t, fleet.Host, governing(ns, "", builder.ByRoom()), large.DeepCopy())
	// member2 has as many CPUs as member1, but on nodes that are too small.
	decided(t, fleet, large, map[string]int32{"member1": 2, "member3": 4}, 4)
	expect.Seen(t, fleet.Host, expect.Binding(large), unschedulable("4"))
	stuck.none(t)
}

func TestANodeThatIsCordonedDoesNotCountAndCountsAgain(t *testing.T) {
	fleet, ns := start(t)
	member := fleet.Member("member3")
	t.Cleanup(func() {
		if err := member.Cordon(context.Background(), "member3-node-0", false); err != nil {
			t.Error(err)
		}
	})
	if err := member.Cordon(t.Context(), "member3-node-0", true); err != nil {
		t.Fatal(err)
	}
	refusedSeen(t, fleet, ns, "member3", "cordoned")
	app := web(ns, "web", 9)
	expect.Create(t, fleet.Host, governing(ns, "web", builder.ByRoom()), app.DeepCopy())
	decided(t, fleet, app, map[string]int32{"member1": 4, "member2": 4}, 1)
	if err := member.Cordon(t.Context(), "member3-node-0", false); err != nil {
		t.Fatal(err)
	}
	expect.Runs(t, fleet, app, map[string]int32{"member1": 4, "member2": 4, "member3": 1})
}

// refusedSeen waits until the manager knows why a member takes no more: probes of its own, which run nothing, are refused for that
// cause. One that was decided too early, upon what was known before, goes again.
func refusedSeen(t *testing.T, fleet *local.Fleet, ns, member, cause string) {
	t.Helper()
	for i := range 20 {
		probe := web(ns, fmt.Sprintf("probe%d", i), 100, builder.Paused())
		policy := governing(ns, probe.Name, builder.ByRoom(), builder.Clusters(member))
		expect.Create(t, fleet.Host, policy, probe.DeepCopy())
		known := false
		expect.Seen(t, fleet.Host, expect.Binding(probe), func(b v1alpha1.Binding) error {
			known = unschedulable(cause)(b) == nil
			return unschedulable("")(b)
		})
		expect.Delete(t, fleet.Host, probe)
		expect.Gone(t, fleet.Host, expect.Binding(probe))
		if known {
			return
		}
	}
	t.Fatalf("%s takes no more because of %s, and nobody noticed", member, cause)
}

func TestAQuotaOfTheNamespaceBoundsWhatAMemberTakes(t *testing.T) {
	fleet, ns := start(t)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "small"}, Spec: corev1.ResourceQuotaSpec{
		Hard: builder.Resources("requests.cpu", "2"),
	}}
	expect.Create(t, fleet.Member("member3"), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, quota)
	expect.Seen(t, fleet.Member("member3"), quota, func(q *corev1.ResourceQuota) error {
		if len(q.Status.Hard) == 0 {
			return fmt.Errorf("it is not counted yet")
		}
		return nil
	})
	refusedSeen(t, fleet, ns, "member3", "the ResourceQuota "+ns+"/small")
	app := web(ns, "web", 12)
	expect.Create(t, fleet.Host, governing(ns, "", builder.Aggregating()), app.DeepCopy())
	decided(t, fleet, app, map[string]int32{"member1": 4, "member2": 4, "member3": 1}, 3)
}

func TestAResourceThatNoClusterHasIsNamed(t *testing.T) {
	fleet, ns := start(t)
	app := web(ns, "web", 2, builder.Requests("example.com/quantum", "1"))
	expect.Create(t, fleet.Host, governing(ns, "", builder.ByRoom()), app.DeepCopy())
	expect.Seen(t, fleet.Host, expect.Binding(app), unschedulable("example.com/quantum"))
	decided(t, fleet, app, map[string]int32{}, 2)
}

func TestHugeReplicasFillTheClustersAndTheRestIsPending(t *testing.T) {
	fleet, ns := start(t)
	app := web(ns, "web", math.MaxInt32)
	expect.Create(t, fleet.Host, governing(ns, "web", builder.ByRoom()), app.DeepCopy())
	decided(t, fleet, app, map[string]int32{"member1": 4, "member2": 4, "member3": 6}, math.MaxInt32-14)
	scale(t, fleet, app, 3)
	expect.Eventually(t, "three replicas", func(ctx context.Context) error {
		if placed, pending, err := booked(ctx, fleet, ns, 1); err != nil || placed != 3 || pending != 0 {
			return fmt.Errorf("%d placed, %d pending: %w", placed, pending, err)
		}
		return nil
	})

	t.Log("static weights know no room: the sum holds without a number overflowing")
	paused := builder.Deployment(ns, "paused", builder.Replicas(math.MaxInt32), builder.Paused())
	expect.Create(t, fleet.Host, governing(ns, "paused", builder.Weights(map[string]int64{"member1": 1_000_000_000, "member2": 1})), paused.DeepCopy())
	expect.Seen(t, fleet.Host, expect.Binding(paused), func(b v1alpha1.Binding) error {
		p := expect.Placement(b)
		if sum := int64(p["member1"]) + int64(p["member2"]); sum != math.MaxInt32 || p["member2"] > 3 {
			return fmt.Errorf("it is placed as %v", p)
		}
		return nil
	})
}

func TestAMemberThatLosesNodesSendsWhatIsStuckElsewhere(t *testing.T) {
	fleet, ns := start(t)
	roomy(t, fleet, ns)
	app := web(ns, "web", 10)
	expect.Create(t, fleet.Host, governing(ns, "", builder.ByRoom()), app.DeepCopy())
	expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(10))
	member := fleet.Member("member1")
	if err := member.RemoveNode(t.Context(), "member1-node-1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := member.AddNode(context.Background(), "member1-node-1", size("4")); err != nil {
			t.Error(err)
		}
	})
	expect.Seen(t, fleet.Host, expect.Binding(app), func(b v1alpha1.Binding) error {
		p := expect.Placement(b)
		if p["member1"] != 2 || p["member1"]+p["member2"]+p["member3"] != 10 {
			return fmt.Errorf("it is placed as %v", p)
		}
		return nil
	})
	expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(10))
	expect.Eventually(t, "no stuck pods", func(ctx context.Context) error {
		var pods corev1.PodList
		if err := member.Client().List(ctx, &pods, inNamespace(ns)); err != nil {
			return err
		}
		return nowStuck(pods.Items)
	})
}

func readyReplicas(want int32) func(*appsv1.Deployment) error {
	return func(d *appsv1.Deployment) error {
		if d.Status.ReadyReplicas != want {
			return fmt.Errorf("%d replicas are ready, want %d", d.Status.ReadyReplicas, want)
		}
		return nil
	}
}

func TestWhatHasPriorityTakesRoomFirst(t *testing.T) {
	fleet, ns := start(t)
	urgent := priorityClass(t, fleet, "e2e-urgent", 1000)
	filler := web(ns, "filler", allCPUs/2)
	expect.Create(t, fleet.Host, governing(ns, "filler", builder.ByRoom()), filler.DeepCopy())
	filled(t, fleet, ns, 1, allCPUs/2, 0)

	low, high := web(ns, "low", 1), web(ns, "high", 1)
	expect.Create(t, fleet.Host, governing(ns, "low", builder.ByRoom()),
		governing(ns, "high", builder.ByRoom(), func(s *v1alpha1.PropagationSpec) {
			s.SchedulePriority = &v1alpha1.SchedulePriority{PriorityClassSource: v1alpha1.KubePriorityClass, PriorityClassName: urgent}
		}), low.DeepCopy(), high.DeepCopy())
	for _, app := range []*appsv1.Deployment{low, high} {
		expect.Seen(t, fleet.Host, expect.Binding(app), unschedulable("cpu"))
	}
	scale(t, fleet, filler, allCPUs/2-1)
	expect.Seen(t, fleet.Host, high.DeepCopy(), readyReplicas(1))
	decided(t, fleet, low, map[string]int32{}, 1)
	scale(t, fleet, filler, allCPUs/2-2)
	expect.Seen(t, fleet.Host, low.DeepCopy(), readyReplicas(1))
}
