package scheduling

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// shown are members' tables.
type shown map[string]*capacity.Table

func (s shown) Table(cluster string) (*capacity.Table, bool) {
	table, seen := s[cluster]
	return table, seen
}

func (s shown) OnRoom(func(string)) {}

// Ready is never asked for: nothing is being moved.
func (s shown) Ready(context.Context, string, schema.GroupVersionKind, types.NamespacedName, types.NamespacedName) (int32, bool, error) {
	return 0, false, nil
}

func byRoom(replicas int32) func(*v1alpha1.BindingSpec) {
	return func(spec *v1alpha1.BindingSpec) {
		spec.Replicas, spec.ReplicaRequirements = &replicas, oneCore()
		spec.Placement = &v1alpha1.Placement{ReplicaScheduling: &v1alpha1.ReplicaScheduling{
			ReplicaSchedulingType: v1alpha1.Divided, WeightPreference: &v1alpha1.ClusterPreferences{DynamicWeight: v1alpha1.DynamicWeightByAvailableReplicas},
		}}
	}
}

func named(name string, change ...func(*v1alpha1.BindingSpec)) *v1alpha1.ResourceBinding {
	binding := webBinding(change...)
	binding.Name, binding.UID = name, ""
	return binding
}

func (b *bed) watching(members shown) *bed {
	b.members, b.capacity = members, v1alpha1.CapacityNodes
	return b
}

// placements reads where bindings are and how many replicas are pending, as "name: a:1 b:2, 3 pending".
func (b *bed) placements(t *testing.T) map[string]string {
	t.Helper()
	var list v1alpha1.ResourceBindingList
	if err := b.client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	result := map[string]string{}
	for _, binding := range list.Items {
		text := ""
		for _, c := range binding.Spec.Clusters {
			text += fmt.Sprintf("%s:%d ", c.Name, ptr.Deref(c.Replicas, -1))
		}
		result[binding.Name] = text + fmt.Sprintf("pending:%d", binding.Status.PendingReplicas)
	}
	return result
}

func TestABurstOfDecisionsNeverTakesTheSameRoomTwice(t *testing.T) {
	members := shown{"a": cores(5, nil), "b": cores(4, nil)}
	objects := []client.Object{member("a"), member("b")}
	for i := range 4 {
		objects = append(objects, named(fmt.Sprintf("web-%d", i), byRoom(3)))
	}
	b := newBed(t, objects...).watching(members)
	for i := range 4 {
		b.reconcile(t, client.ObjectKeyFromObject(objects[2+i]))
	}
	got := b.placements(t)
	total, pending := map[string]int32{}, int32(0)
	var list v1alpha1.ResourceBindingList
	if err := b.client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	for _, binding := range list.Items {
		pending += binding.Status.PendingReplicas
		for _, c := range binding.Spec.Clusters {
			total[c.Name] += *c.Replicas
		}
	}
	if diff := cmp.Diff(map[string]int32{"a": 5, "b": 4}, total); diff != "" || pending != 3 {
		t.Errorf("%d are pending in %v, replicas (-want +got):\n%s", pending, got, diff)
	}
	if waits := b.waiting.all(); len(waits) != 1 {
		t.Errorf("%v wait, want the last one alone", waits)
	}
}

func TestWithoutTheNodesTheSummaryIsBelieved(t *testing.T) {
	cluster := member("a")
	b := newBed(t, cluster, webBinding(byRoom(3))).watching(shown{})
	b.reconcile(t, web)
	if diff := cmp.Diff(map[string]string{web.Name: "pending:3"}, b.placements(t)); diff != "" {
		t.Errorf("a cluster that has told nothing has no room (-want +got):\n%s", diff)
	}
	cluster.Status.ResourceSummary = &v1alpha1.ResourceSummary{Allocatable: oneCore().ResourceRequest.DeepCopy()}
	cluster.Status.ResourceSummary.Allocatable["pods"] = *ptr.To(oneCore().ResourceRequest.Cpu().DeepCopy())
	if err := b.client.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, web)
	if got := b.placements(t)[web.Name]; got != "a:1 pending:2" {
		t.Errorf("the placement is %q, want what the summary has room for", got)
	}
}

func TestADecisionIsRememberedWithTheClusters(t *testing.T) {
	b := newBed(t, member("a"), webBinding(byRoom(3))).watching(shown{"a": cores(2, nil)})
	b.reconcile(t, web)
	got, err := schedule.ParseMemory(b.binding(t).Annotations[v1alpha1.DecisionAnnotation])
	if err != nil || got.Placement == "" || got.Pending != 1 {
		t.Errorf("the memory is %+v, %v", got, err)
	}
	if b.specs != 1 {
		t.Errorf("the clusters and the memory take %d writes, want 1", b.specs)
	}
}

func TestADecisionThatCouldNotBeWrittenTakesNoRoom(t *testing.T) {
	b := newBed(t, member("a"), webBinding(byRoom(3))).watching(shown{"a": cores(3, nil)})
	b.fail = fmt.Errorf("the host is away")
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: web}); err == nil {
		t.Fatal("Reconcile() hides the error")
	}
	b.settle(t, web)
	if got := b.placements(t)[web.Name]; got != "a:3 pending:0" {
		t.Errorf("the placement is %q, want all three", got)
	}
}

func TestADecisionThatIsWrittenKeepsItsRoomThoughItCouldNotBeTold(t *testing.T) {
	b := newBed(t, member("a"), webBinding(byRoom(4)), named("api", byRoom(4))).watching(shown{"a": cores(3, nil)})
	b.failTold = fmt.Errorf("the host is away")
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: web}); err == nil {
		t.Fatal("Reconcile() hides the error")
	}
	b.reconcile(t, key("api"))
	if diff := cmp.Diff(map[string]string{web.Name: "a:3 pending:0", "api": "pending:4"}, b.placements(t)); diff != "" {
		t.Errorf("placements (-want +got):\n%s", diff)
	}
}

func TestAClusterThatIsGoneIsForgotten(t *testing.T) {
	b := newBed(t, member("a"), webBinding(byRoom(3))).watching(shown{})
	b.reconcile(t, web)
	b.onCluster().Delete(t.Context(), event.DeleteEvent{Object: member("a")}, newQueue(t))
	if len(b.guesses)+len(b.ledger.accounts) > 0 {
		t.Errorf("%d tables and %d accounts are remembered", len(b.guesses), len(b.ledger.accounts))
	}
}

func TestWhoWaitsIsLookedAtNowAndThenInAnyCase(t *testing.T) {
	wholeSet := func(spec *v1alpha1.BindingSpec) {
		byRoom(1)(spec)
		spec.Components = []v1alpha1.Component{{Name: "one", Replicas: 1}, {Name: "two", Replicas: 1}}
	}
	b := newBed(t, member("a"), webBinding(wholeSet)).watching(shown{"a": capacity.NewTable(1, nil, nil, nil)})
	if got := b.reconcile(t, web); got.RequeueAfter != safetyLook {
		t.Errorf("Reconcile() = %+v, want another look after %s", got, safetyLook)
	}
}

func TestSuspendedSchedulingDecidesNothing(t *testing.T) {
	suspended := func(spec *v1alpha1.BindingSpec) {
		spec.Suspension = &v1alpha1.BindingSuspension{Scheduling: ptr.To(true)}
	}
	b := newBed(t, member("member1"), webBinding(suspended))
	b.settle(t, web)
	got := b.binding(t)
	if len(got.Spec.Clusters) > 0 || got.Status.Conditions[0].Reason != v1alpha1.ReasonSuspended {
		t.Errorf("clusters %v, condition %+v", got.Spec.Clusters, got.Status.Conditions[0])
	}
}

func TestTemplatesOfAGroupAreKeptApartThoughTheCacheIsBehind(t *testing.T) {
	apart := func(spec *v1alpha1.BindingSpec) {
		spec.WorkloadAffinityGroups = &v1alpha1.WorkloadAffinityGroups{AntiAffinityGroup: "app=web"}
		spec.Placement.SpreadConstraints = []v1alpha1.SpreadConstraint{{MinGroups: 1, MaxGroups: ptr.To[int32](1)}}
	}
	one, two := named("one", apart), named("two", apart)
	b := newBed(t, member("a"), member("b"), one, two)
	first, _, err := b.decide(t.Context(), one, evidence{}) // decided, and not written yet
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := b.decide(t.Context(), two, evidence{})
	if err != nil {
		t.Fatal(err)
	}
	if first.Clusters[0].Name == second.Clusters[0].Name {
		t.Errorf("both are in %s", first.Clusters[0].Name)
	}
}

func TestAStatusAloneIsNotLookedAt(t *testing.T) {
	b := newBed(t, member("a"), webBinding())
	old, now := webBinding(), webBinding()
	now.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{ClusterName: "a", Applied: true}}
	q := newQueue(t)
	b.onBinding().Update(t.Context(), event.UpdateEvent{ObjectOld: old, ObjectNew: now}, q)
	if q.Len() != 0 {
		t.Errorf("%d bindings are looked at", q.Len())
	}
}

func TestAnEditIsLookedAtAlsoWhereItIsShownTogetherWithAnOwnStatus(t *testing.T) {
	version := func(binding *v1alpha1.ResourceBinding, version string, generation int64) *v1alpha1.ResourceBinding {
		binding.ResourceVersion, binding.Generation = version, generation
		return binding
	}
	tests := map[string]struct {
		generation int64 // that the status, or the decision, with version 102 is of
		want       int
	}{
		"a decision is no news":                                   {5, 0},
		"an edit lies between what was decided upon and a status": {4, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, q := newBed(t, member("a")), newQueue(t)
			b.Reconciler.writes.WroteOf(web, "102", tc.generation)
			b.onBinding().Update(t.Context(), event.UpdateEvent{ObjectOld: version(webBinding(), "100", 4), ObjectNew: version(webBinding(), "102", 5)}, q)
			if got := q.Len(); got != tc.want {
				t.Errorf("%d bindings are looked at, want %d", got, tc.want)
			}
		})
	}
}

func TestAStatusIsWrittenOfTheGenerationThatItSpeaksOf(t *testing.T) {
	b := newBed(t, webBinding(), member("a"))
	b.settle(t, web)
	now := b.binding(t)
	if !b.Reconciler.writes.OwnOf(web, now.ResourceVersion, now.Status.SchedulerObservedGeneration) {
		t.Error("the last write is not known by the generation that was decided about")
	}
}

func TestReportsAccountForReplicas(t *testing.T) {
	report := func(health v1alpha1.Health, status string) *v1alpha1.AggregatedStatusItem {
		item := &v1alpha1.AggregatedStatusItem{Applied: true, Health: health}
		if status != "" {
			item.Status = &runtime.RawExtension{Raw: []byte(status)}
		}
		return item
	}
	tests := map[string]struct {
		report *v1alpha1.AggregatedStatusItem
		want   int32
	}{
		"no report":                          {nil, 0},
		"healthy, which may be an older one": {report(v1alpha1.Healthy, ""), 0},
		"some replicas":                      {report(v1alpha1.Unhealthy, `{"replicas": 3, "readyReplicas": 1}`), 3},
		"a Job":                              {report(v1alpha1.Unhealthy, `{"active": 2, "succeeded": 1}`), 3},
		"a status of its own":                {report(v1alpha1.Unhealthy, `{"replicas": "many"}`), 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := shownBy(tc.report); got != tc.want {
				t.Errorf("shownBy() = %d, want %d", got, tc.want)
			}
		})
	}
}
