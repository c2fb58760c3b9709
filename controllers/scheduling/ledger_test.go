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

// cores is a member of one node with so many cores, of which some are taken.
func cores(free, taken int) *capacity.Table {
	node := capacity.NewNode(&corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node"},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(free+taken), resource.DecimalSI), corev1.ResourcePods: resource.MustParse("1000")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	})
	pods := make([]capacity.Pod, taken)
	for i := range pods {
		pods[i] = capacity.Pod{Class: capacity.Compile(oneCore()), Node: "node"}
	}
	return capacity.NewTable(1, []capacity.Node{node}, pods, nil)
}

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

func TestRoomThatADecisionTookIsBookedUntilTheMemberShowsIt(t *testing.T) {
	l, class, table := newLedger(), capacity.Compile(oneCore()), cores(10, 0)
	room := func(shown *capacity.Table, at time.Time) int32 {
		replicas, _ := l.room("member1", shown, class, at)
		return replicas
	}
	expect := func(what string, got, want int32) {
		t.Helper()
		if got != want {
			t.Errorf("%s: room for %d, want %d", what, got, want)
		}
	}
	expect("nothing decided", room(table, start), 10)
	undo := l.book(key("web"), class, map[string]int32{"member1": 4}, start)
	expect("decided", room(table, start), 6)
	l.book(key("api"), class, map[string]int32{"member1": 3, "member2": 1}, start)
	expect("decided for two", room(table, start), 3)
	undo()
	expect("the first could not be written", room(table, start), 7)
	shown := cores(8, 2)
	l.unshown(key("api"), "member1", class, 1, false, start)
	expect("two of three are shown", room(shown, start), 7)
	l.unshown(key("api"), "member1", class, 2, false, start)
	expect("a report that is late books nothing again", room(shown, start), 7)
	expect("the time is over", room(shown, start.Add(bookingLife)), 8)
	l.book(key("web"), class, map[string]int32{"member1": 4}, start)
	l.book(key("web"), class, map[string]int32{"member1": -3}, start)
	expect("decided otherwise", room(shown, start), 7)
	l.forget(key("web"))
	l.forget(key("api"))
	expect("the binding is gone", room(shown, start), 8)
	if len(l.bookings) != 0 {
		t.Errorf("%d bindings are still booked", len(l.bookings))
	}
}

func TestAManagerThatBeginsBooksWhatTheMembersDoNotShowYet(t *testing.T) {
	l, class := newLedger(), capacity.Compile(oneCore())
	l.unshown(key("web"), "member1", class, 4, true, start)
	if got, _ := l.room("member1", cores(10, 0), class, start); got != 6 {
		t.Errorf("room for %d, want 6", got)
	}
}

// TestTheLedgerNeverBooksTwice: whatever is decided, shown, undone and forgotten in whatever order, a member is never
// given more than it has, and has everything back in the end.
func TestTheLedgerNeverBooksTwice(t *testing.T) {
	const size = 20
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		l, class := newLedger(), capacity.Compile(oneCore())
		decided, shown := map[string]int32{}, map[string]int32{}
		sum := func(m map[string]int32) (total int) {
			for _, n := range m {
				total += int(n)
			}
			return total
		}
		table := cores(size, 0)
		for range 60 {
			name := fmt.Sprintf("b%d", random.IntN(6))
			switch random.IntN(4) {
			case 0, 1:
				room, _ := l.room("m", table, class, start)
				if more := min(room, random.Int32N(5)); more > 0 {
					undo := l.book(key(name), class, map[string]int32{"m": more}, start)
					if random.IntN(4) == 0 {
						undo()
					} else {
						decided[name] += more
					}
				}
			case 2:
				shown[name] = decided[name]
				table = cores(size-sum(shown), sum(shown))
				l.unshown(key(name), "m", class, 0, false, start)
			case 3:
				l.forget(key(name))
				delete(decided, name)
				delete(shown, name)
				table = cores(size-sum(shown), sum(shown))
			}
			if total := sum(decided); total > size {
				t.Fatalf("seed %d: %d replicas are decided where %d fit", seed, total, size)
			}
			if room, _ := l.room("m", table, class, start); int(room) != size-sum(decided) {
				t.Fatalf("seed %d: room for %d with %d of %d decided", seed, room, sum(decided), size)
			}
		}
	}
}
