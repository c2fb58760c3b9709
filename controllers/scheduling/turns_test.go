package scheduling

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/internal/capacity"
)

// queued is a binding whose namespace is the first letter of its name.
type queued struct {
	name     string
	priority int32
	why      origin
}

// order queues bindings, and tells in which order they are looked at.
func order(t *testing.T, all ...queued) []string {
	t.Helper()
	r, q := &Reconciler{turns: newTurns()}, priorityqueue.New[ctrl.Request](t.Name())
	defer q.ShutDown()
	for _, item := range all {
		r.enqueue(q, types.NamespacedName{Namespace: item.name[:1], Name: item.name}, item.priority, item.why, 0)
	}
	var names []string
	for range all {
		request, _, _ := q.GetWithPriority()
		r.turns.begun(request.NamespacedName)
		q.Done(request)
		names = append(names, request.Name)
	}
	if len(r.turns.counts)+len(r.turns.queued) > 0 {
		t.Errorf("nothing is queued, but %v and %v are remembered", r.turns.counts, r.turns.queued)
	}
	return names
}

func newQueue(t *testing.T) priorityqueue.PriorityQueue[ctrl.Request] {
	t.Helper()
	q := priorityqueue.New[ctrl.Request](t.Name())
	t.Cleanup(q.ShutDown)
	return q
}

func TestTheQueueIsInTurn(t *testing.T) {
	tests := map[string]struct {
		queued []queued
		want   []string
	}{
		"in the order of time":                   {[]queued{{"a1", 0, byUser}, {"b1", 0, byUser}, {"c1", 0, byUser}}, []string{"a1", "b1", "c1"}},
		"by priority first":                      {[]queued{{"a1", 0, byUser}, {"b1", 7, byResync}, {"c1", -3, byUser}}, []string{"b1", "a1", "c1"}},
		"users before a resync":                  {[]queued{{"a1", 0, byResync}, {"a2", 0, byResync}, {"a3", 0, byUser}}, []string{"a3", "a1", "a2"}},
		"namespaces in turn":                     {[]queued{{"a1", 0, byUser}, {"a2", 0, byUser}, {"a3", 0, byUser}, {"b1", 0, byUser}, {"b2", 0, byUser}}, []string{"a1", "b1", "a2", "b2", "a3"}},
		"the largest priorities do not run over": {[]queued{{"a1", 1_000_000_000, byResync}, {"a2", 2_000_001_000, byResync}, {"a3", -2_147_483_648, byUser}}, []string{"a2", "a1", "a3"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, order(t, tc.queued...)); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

func TestANamespaceWithManyBindingsLetsOthersPass(t *testing.T) {
	var all []queued
	for i := range 100 {
		all = append(all, queued{fmt.Sprintf("a%d", i), 0, byUser})
	}
	all = append(all, queued{"b1", 0, byUser})
	if got := order(t, all...); got[1] != "b1" {
		t.Errorf("the only binding of its namespace is not the second, but after %v", got[:3])
	}
}

func TestRoomHelpsByPriorityAndThenByTime(t *testing.T) {
	w, class := newWaiting(), capacity.Compile(nil)
	for i, name := range []string{"a", "b", "c", "d"} {
		w.set(key(name), wait{class: class, priority: int32(i % 2), clusters: map[string]int32{"member1": 0}})
	}
	w.set(key("a"), wait{class: class, clusters: map[string]int32{"member1": 0, "member2": 0}}) // it waits on, and keeps its turn
	w.drop(key("b"))
	w.set(key("b"), wait{class: class, priority: 1, clusters: map[string]int32{"member1": 0}})
	want := []waiter{{key("d"), 1}, {key("b"), 1}, {key("a"), 0}, {key("c"), 0}}
	got := w.helped("member1", func(*capacity.Class) int32 { return 1 })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(waiter{})); diff != "" {
		t.Errorf("helped (-want +got):\n%s", diff)
	}
}

func TestOnlyThoseAreHelpedWhoseReplicasFit(t *testing.T) {
	w, small, large := newWaiting(), capacity.Compile(nil), capacity.Compile(oneCore())
	w.set(key("small"), wait{class: small, clusters: map[string]int32{"member1": 0, "member2": 0}})
	w.set(key("large"), wait{class: large, clusters: map[string]int32{"member1": 0}})
	w.set(key("more"), wait{class: small, clusters: map[string]int32{"member1": 1}}) // one more would fit before
	fits := func(c *capacity.Class) int32 {
		if c == small {
			return 1
		}
		return 0
	}
	if diff := cmp.Diff([]waiter{{binding: key("small")}}, w.helped("member1", fits), cmp.AllowUnexported(waiter{})); diff != "" {
		t.Errorf("helped (-want +got):\n%s", diff)
	}
	if got := w.helped("member3", fits); len(got) > 0 {
		t.Errorf("room where nobody waits for it helps %v", got)
	}
	w.drop(key("small"))
	w.drop(key("more"))
	w.drop(key("large"))
	if len(w.bindings)+len(w.byCluster) > 0 {
		t.Errorf("nobody waits, but %v and %v are remembered", w.bindings, w.byCluster)
	}
}

func TestABindingThatNobodyDecidedAboutPassesTheRestOfTheFirstList(t *testing.T) {
	for name, tc := range map[string]struct {
		initial bool
		decided int64
		want    bool
	}{
		"new":               {false, 0, true},
		"in the first list": {true, 1, false},
		"in the first list, without its decision": {true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			binding := webBinding()
			binding.Status.SchedulerObservedGeneration = tc.decided
			b, q := newBed(t, binding), newQueue(t)
			b.onBinding().Create(t.Context(), event.CreateEvent{Object: binding, IsInInitialList: tc.initial}, q)
			if _, priority, _ := q.GetWithPriority(); (priority >= userStep) != tc.want {
				t.Errorf("priority %d, want that of users: %v", priority, tc.want)
			}
		})
	}
}
