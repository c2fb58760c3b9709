package scheduling

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
)

func TestAClusterIsToldOfWhenABookingThereBecomesSmaller(t *testing.T) {
	l, web := newLedger(), deployment("web")
	steps := []struct {
		what string
		do   func()
		want []string
	}{
		{"booked", func() { l.book(web, changes{"member1": {2, 2}, "member2": {1, 1}}, start) }, nil},
		{"reported in part", func() { l.reported(web.binding, "member1", 1) }, []string{"member1"}},
		{"reported as before", func() { l.reported(web.binding, "member1", 1) }, nil},
		{"gone", func() { l.forget(web.binding) }, []string{"member1", "member2"}},
	}
	for _, step := range steps {
		step.do()
		if diff := cmp.Diff(step.want, slices.Sorted(maps.Keys(l.freed.take()))); diff != "" {
			t.Errorf("%s: clusters with more room (-want +got):\n%s", step.what, diff)
		}
	}
}

func TestEndsOfBookingsAreGatheredIntoOneCall(t *testing.T) {
	f, calls := newFreed(), make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for range 5 {
		f.note("member1")
	}
	go func() {
		f.run(ctx, clock.RealClock{}, func(cluster string) { calls <- cluster })
		close(ended)
	}()
	if got := <-calls; got != "member1" {
		t.Errorf("the call is about %s, want member1", got)
	}
	f.note("member2")
	if got := <-calls; got != "member2" {
		t.Errorf("the next call is about %s, want member2", got)
	}
	cancel()
	<-ended
}
