package performance

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// stopwatch notes when ConfigMaps of a namespace show up in members.
type stopwatch struct {
	mu   sync.Mutex
	seen map[string]map[string]time.Time // by member, then by name
}

// watching starts a stopwatch on some members.
func watching(t *testing.T, fleet *local.Fleet, ns string, members ...string) *stopwatch {
	t.Helper()
	s := &stopwatch{seen: map[string]map[string]time.Time{}}
	for _, name := range members {
		s.seen[name] = map[string]time.Time{}
		w, err := fleet.Member(name).Client().Watch(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(ns))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		go func() {
			for e := range w.ResultChan() {
				if c, ok := e.Object.(*corev1.ConfigMap); ok && e.Type == watch.Added {
					s.note(name, c.Name)
				}
			}
		}()
	}
	return s
}

func (s *stopwatch) note(member, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[member][name] = time.Now()
}

// last is when a ConfigMap had shown up in every member, if it has.
func (s *stopwatch) last(name string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last time.Time
	for _, seen := range s.seen {
		at, ok := seen[name]
		if !ok {
			return time.Time{}, false
		}
		if at.After(last) {
			last = at
		}
	}
	return last, true
}

// steadily creates ten ConfigMaps a second, and measures each from the moment of its creation until it has shown up in
// every member that is watched.
func steadily(t *testing.T, fleet *local.Fleet, s *stopwatch, ns, prefix string, n int) []time.Duration {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	created := map[string]time.Time{}
	for i := range n {
		<-ticker.C
		name := fmt.Sprintf("%s-%03d", prefix, i)
		created[name] = time.Now()
		expect.Create(t, fleet.Host, builder.ConfigMap(ns, name, "number", fmt.Sprint(i)))
	}
	var durations []time.Duration
	for name, at := range created {
		expect.Eventually(t, name, func(context.Context) error {
			last, ok := s.last(name)
			if !ok {
				return fmt.Errorf("not everywhere yet")
			}
			durations = append(durations, last.Sub(at))
			return nil
		})
	}
	return durations
}

// percentile of durations; they are sorted by it.
func percentile(durations []time.Duration, p int) time.Duration {
	slices.Sort(durations)
	return durations[min(len(durations)-1, len(durations)*p/100)]
}

func percentiles(durations []time.Duration) string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s", percentile(durations, 50).Round(time.Millisecond),
		percentile(durations, 90).Round(time.Millisecond), percentile(durations, 99).Round(time.Millisecond))
}

// samples at ten a second: 200 take 20 s.
var samples = atScale(200, 60)

func TestLatencyFromCreationToEveryMember(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "")))
	s := watching(t, fleet, ns, "member1", "member2", "member3")
	steadily(t, fleet, s, ns, "warm", 5) // the first of a kind starts watches
	t.Logf("from creation on the host to presence in 3 members, 10 a second: %s", percentiles(steadily(t, fleet, s, ns, "c", samples)))
}

func TestLatencyBesideAMemberThatHangs(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "")))
	s := watching(t, fleet, ns, "member1", "member3")
	steadily(t, fleet, s, ns, "warm", 5)
	before := steadily(t, fleet, s, ns, "before", samples)

	if err := fleet.Stop(t.Context(), "member2"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fleet.Start(context.WithoutCancel(t.Context()), "member2"); err != nil {
			t.Error(err)
		}
	})
	during := steadily(t, fleet, s, ns, "during", 3*samples)
	t.Logf("member1 and member3, all members well:     %s", percentiles(before))
	t.Logf("member1 and member3, member2 hangs %d s:   %s", 3*samples/10, percentiles(during))
	t.Logf("ratio: p50 %.2f, p99 %.2f", float64(percentile(during, 50))/float64(percentile(before, 50)),
		float64(percentile(during, 99))/float64(percentile(before, 99)))

	if err := fleet.Start(t.Context(), "member2"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	expect.Eventually(t, "everything in member2", func(ctx context.Context) error {
		var list corev1.ConfigMapList
		if err := fleet.Member("member2").Client().List(ctx, &list, client.InNamespace(ns)); err != nil {
			return err
		}
		if want := 4*samples + 5; len(list.Items) < want {
			return fmt.Errorf("%d of %d", len(list.Items), want)
		}
		return nil
	})
	t.Logf("member2 held everything %s after it went on", time.Since(start).Round(time.Millisecond))
}
