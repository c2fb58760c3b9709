package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

var settings = verdict.Key{Kind: kindConfigMap, Namespace: "load", Name: "settings"}

// kept is a ledger with one name.
func kept() *ledger {
	l := newLedger()
	l.enter(settings, shape{mode: modeEverywhere, members: []string{"member1", "member2"}, taken: []string{"member2"}})
	return l
}

// held is when member1 was seen to hold each change, in milliseconds after noon; -1 for never.
func held(l *ledger) []int {
	var all []int
	for _, c := range l.entries[settings].changes {
		at, found := c.held["member1"]
		if !found {
			all = append(all, -1)
			continue
		}
		all = append(all, int(at.Sub(noon)/time.Millisecond))
	}
	return all
}

func TestALaterVersionInAMemberCountsForTheEarlierOnes(t *testing.T) {
	l := kept()
	for range 3 {
		l.acknowledge(settings, l.begin(settings, false, noon), verdict.Template{}, noon)
	}
	l.hold("member1", settings, 2, after(20))
	if diff := cmp.Diff([]int{20, 20, -1}, held(l)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	l.hold("member1", settings, 1, after(30))
	l.hold("member1", settings, 3, after(40))
	if diff := cmp.Diff([]int{20, 20, 40}, held(l)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]time.Time{after(20), after(40)}, l.arrivals); diff != "" {
		t.Errorf("arrivals -want +got:\n%s", diff)
	}
}

func TestAnObjectThatIsGoneFromAMemberCountsForTheDeletion(t *testing.T) {
	l := kept()
	l.acknowledge(settings, l.begin(settings, false, noon), verdict.Template{Content: "1"}, noon)
	l.release("member1", settings, after(5))
	if diff := cmp.Diff([]int{-1}, held(l)); diff != "" {
		t.Errorf("nothing was deleted: -want +got:\n%s", diff)
	}
	l.acknowledge(settings, l.begin(settings, true, noon), verdict.Template{}, noon)
	l.acknowledge(settings, l.begin(settings, false, noon), verdict.Template{Content: "3"}, noon)
	l.release("member1", settings, after(10))
	if diff := cmp.Diff([]int{10, 10, -1}, held(l)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatWasDeletedBeforeAMemberGotItIsNotHeldWhenTheNameIsUsedAgain(t *testing.T) {
	l := kept()
	for _, deletes := range []bool{false, true, false} {
		l.acknowledge(settings, l.begin(settings, deletes, noon), verdict.Template{}, noon)
	}
	l.hold("member1", settings, 3, after(20))
	if diff := cmp.Diff([]int{-1, -1, 20}, held(l)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOnlyWhatWasAcknowledgedIsWanted(t *testing.T) {
	l := kept()
	created := l.begin(settings, false, noon)
	if diff := cmp.Diff(map[verdict.Key]verdict.Template{}, l.wanted()); diff != "" {
		t.Errorf("before the acknowledgement: -want +got:\n%s", diff)
	}
	if got := l.idle(false); got != nil {
		t.Errorf("%v may change, but is being changed", got)
	}
	l.acknowledge(settings, created, verdict.Template{Content: "1"}, noon)
	if diff := cmp.Diff(map[verdict.Key]verdict.Template{settings: {Content: "1"}}, l.wanted()); diff != "" {
		t.Errorf("after the acknowledgement: -want +got:\n%s", diff)
	}
	deleted := l.begin(settings, true, noon)
	if diff := cmp.Diff(map[verdict.Key]verdict.Template{settings: {Content: "1"}}, l.wanted()); diff != "" {
		t.Errorf("before the deletion is acknowledged: -want +got:\n%s", diff)
	}
	l.acknowledge(settings, deleted, verdict.Template{}, noon)
	if diff := cmp.Diff(map[verdict.Key]verdict.Template{}, l.wanted()); diff != "" {
		t.Errorf("after the deletion: -want +got:\n%s", diff)
	}
}

func TestChangesAreExpectedWhereNoForeignObjectHasTheirName(t *testing.T) {
	l := kept()
	l.acknowledge(settings, l.begin(settings, false, after(10)), verdict.Template{}, after(15))
	l.begin(settings, false, after(90))
	changes, _ := l.snapshot(noon, after(50))
	want := []observation{{key: settings, asked: after(10), acked: after(15), held: map[string]time.Time{}, members: []string{"member1"}}}
	if diff := cmp.Diff(want, changes, cmp.AllowUnexported(observation{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
