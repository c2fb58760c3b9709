package scheduling

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
)

// oneCore is a replica that needs a core.
func oneCore() *v1alpha1.ReplicaRequirements {
	return &v1alpha1.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
}

// cores is a member of one node with so many free cores, beside those that pods of workloads take.
func cores(free int, pods map[string]int32) *capacity.Table {
	taken := 0
	var all []capacity.Pod
	for name, count := range pods {
		taken += int(count)
		for range count {
			all = append(all, capacity.Pod{Class: capacity.Compile(oneCore()), Node: "node", Workload: deployment(name).workload})
		}
	}
	node := capacity.NewNode(&corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node"},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(free+taken), resource.DecimalSI), corev1.ResourcePods: resource.MustParse("1000")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	})
	return capacity.NewTable(1, []capacity.Node{node}, all, nil)
}

// summedUp is a member of which only the sum is known.
func summedUp(free int64) *capacity.Table {
	c := &v1alpha1.Cluster{}
	c.Status.ResourceSummary = &v1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(free, resource.DecimalSI), corev1.ResourcePods: resource.MustParse("1000"),
	}}
	return capacity.FromSummary(c)
}

// deployment is a binding whose replicas need a core each.
func deployment(name string) claim {
	return claim{binding: key(name), class: capacity.Compile(oneCore()), workload: capacity.WorkloadKey("shop", "Deployment", name)}
}

type changes = map[string]change

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

func TestRoomThatADecisionTookIsBookedUntilTheMembersPodsShowIt(t *testing.T) {
	l, web, api := newLedger(), deployment("web"), deployment("api")
	expect := func(what string, shown *capacity.Table, at time.Time, want int32) {
		t.Helper()
		if got, _ := l.room("member1", shown, web.class, at); got != want {
			t.Errorf("%s: room for %d, want %d", what, got, want)
		}
	}
	empty := cores(10, nil)
	expect("nothing decided", empty, start, 10)
	undo := l.book(web, changes{"member1": {4, 4}}, start)
	expect("decided", empty, start, 6)
	l.book(api, changes{"member1": {3, 3}, "member2": {1, 1}}, start)
	expect("decided for two", empty, start, 3)
	undo()
	expect("the first could not be written", empty, start, 7)
	expect("two of three are there", cores(8, map[string]int32{"api": 2}), start, 7)
	l.reported(api.binding, "member1", 0)
	expect("a report says less than the pods", cores(8, map[string]int32{"api": 2}), start, 7)
	expect("all are there", cores(7, map[string]int32{"api": 3}), start, 7)
	l.book(api, changes{"member1": {2, 5}}, start)
	expect("two more are decided", cores(7, map[string]int32{"api": 3}), start, 5)
	l.book(api, changes{"member1": {-1, 4}}, start)
	expect("one of them is taken back", cores(7, map[string]int32{"api": 3}), start, 6)
	expect("the time is over", cores(7, map[string]int32{"api": 3}), start.Add(bookingLife), 7)
	l.book(web, changes{"member1": {4, 4}}, start)
	l.forget(web.binding)
	l.forget(api.binding)
	expect("the bindings are gone", empty, start, 10)
	if len(l.clusters) != 0 {
		t.Errorf("%d bindings are still booked", len(l.clusters))
	}
}

func TestABookingThatIsOverWakesThoseWhoWait(t *testing.T) {
	l, web, table := newLedger(), deployment("web"), cores(10, nil)
	l.book(web, changes{"member1": {4, 4}}, start)
	l.room("member1", table, web.class, start)
	if freed := l.freed.take(); len(freed) > 0 {
		t.Errorf("%v are told to have room while it is booked", freed)
	}
	l.room("member1", table, web.class, start.Add(bookingLife))
	if !l.freed.take()["member1"] {
		t.Error("nobody is told of the room")
	}
}

func TestWherePodsAreNotWatchedTheReportIsTheEvidenceOnceASummaryHasIt(t *testing.T) {
	l, web, old := newLedger(), deployment("web"), summedUp(10)
	expect := func(what string, shown *capacity.Table, want int32) {
		t.Helper()
		if got, _ := l.room("member1", shown, web.class, start); got != want {
			t.Errorf("%s: room for %d, want %d", what, got, want)
		}
	}
	expect("nothing decided", old, 10)
	l.book(web, changes{"member1": {4, 4}}, start)
	expect("decided", old, 6)
	expect("a summary that knows nothing of it", summedUp(10), 6)
	before := summedUp(10)
	expect("and another", before, 6)
	l.reported(web.binding, "member1", 1)
	expect("three are reported, and in no summary", before, 6)
	after := summedUp(7)
	expect("three are in the summary", after, 6)
	l.reported(web.binding, "member1", 0)
	expect("all are reported", after, 6)
	expect("all are in the summary", summedUp(6), 6)
}

func TestAManagerThatBeginsBooksWhatTheMembersDoNotShowYet(t *testing.T) {
	l, web := newLedger(), deployment("web")
	l.begin(web, "member1", 4, 4, start)
	if got, _ := l.room("member1", cores(9, map[string]int32{"web": 1}), web.class, start); got != 6 {
		t.Errorf("room for %d, want 6", got)
	}
}

// TestTheLedgerNeverBooksTwice: whatever is decided, shown, undone and forgotten in whatever order, a member is never
// given more than it has, and what it has is never less than what is not decided.
func TestTheLedgerNeverBooksTwice(t *testing.T) {
	const size = 20
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		l, class := newLedger(), capacity.Compile(oneCore())
		decided, shown := map[string]int32{}, map[string]int32{}
		sum := func(m map[string]int32) (total int) {
			for _, n := range m {
				total += int(n)
			}
			return total
		}
		table := cores(size, nil)
		for range 60 {
			name := fmt.Sprintf("b%d", random.IntN(6))
			switch random.IntN(4) {
			case 0, 1:
				room, _ := l.room("m", table, class, start)
				if more := min(room, random.Int32N(5)); more > 0 {
					undo := l.book(deployment(name), changes{"m": {more, decided[name] + more}}, start)
					if random.IntN(4) == 0 {
						undo()
					} else {
						decided[name] += more
					}
				}
			case 2:
				shown[name] += random.Int32N(decided[name] - shown[name] + 1)
				table = cores(size-sum(shown), shown)
			case 3:
				l.forget(key(name))
				delete(decided, name)
				delete(shown, name)
				table = cores(size-sum(shown), shown)
			}
			if total := sum(decided); total > size {
				t.Fatalf("seed %d: %d replicas are decided where %d fit", seed, total, size)
			}
			if room, _ := l.room("m", table, class, start); int(room) != size-sum(decided) {
				t.Fatalf("seed %d: room for %d with %d of %d decided, %d shown", seed, room, sum(decided), size, sum(shown))
			}
		}
	}
}
