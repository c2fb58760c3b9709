package scheduling

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/internal/capacity"
)

func TestAClusterIsToldOfWhenABookingThereBecomesSmaller(t *testing.T) {
	l, class, now := newLedger(), capacity.Compile(oneCore()), time.Unix(0, 0)
	key := types.NamespacedName{Namespace: "shop", Name: "web"}
	steps := []struct {
		what string
		do   func()
		want []string
	}{
		{"booked", func() { l.book(key, class, map[string]int32{"member1": 2, "member2": 1}, now) }, nil},
		{"shown in part", func() { l.unshown(key, "member1", class, 1, false, now) }, []string{"member1"}},
		{"shown as before", func() { l.unshown(key, "member1", class, 1, false, now) }, nil},
		{"gone", func() { l.forget(key) }, []string{"member1", "member2"}},
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
		f.run(ctx, func(cluster string) { calls <- cluster })
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
