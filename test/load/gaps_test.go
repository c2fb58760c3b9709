package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func after(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

func TestMeasureTellsTheMemberApartThatTheFaultConcerns(t *testing.T) {
	both := []string{"member1", "member2"}
	changes := []observation{
		{asked: after(0), acked: after(10), held: map[string]time.Time{"member1": after(30), "member2": after(9000)}, members: both},
		// A watch may be quicker than the answer to the write.
		{asked: after(0), acked: after(50), held: map[string]time.Time{"member1": after(40)}, members: both},
		// Never acknowledged: only the check can say whether that is right.
		{asked: after(0), held: map[string]time.Time{"member1": after(60)}, members: both},
		// Held where nobody waited for it.
		{asked: after(5), acked: after(6), held: map[string]time.Time{"member2": after(7)}, members: both[:1]},
	}
	got := measure(changes, []time.Time{after(7000), after(40)}, noon, after(9500), "member2")
	want := Gaps{
		Written:   Spread{Count: 3, P50: 10 * time.Millisecond, P99: 50 * time.Millisecond, Max: 50 * time.Millisecond},
		Arrived:   Spread{Count: 2, P50: 20 * time.Millisecond, P99: 20 * time.Millisecond, Max: 20 * time.Millisecond},
		Concerned: Spread{Count: 1, P50: 8990 * time.Millisecond, P99: 8990 * time.Millisecond, Max: 8990 * time.Millisecond},
		Silence:   6960 * time.Millisecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheSlowestChangeIsNamedWithItsMember(t *testing.T) {
	both := []string{"member1", "member2"}
	quick := observation{key: settings, asked: after(0), acked: after(10), held: map[string]time.Time{"member1": after(30), "member2": after(50)}, members: both}
	late := quick
	late.held = map[string]time.Time{"member1": after(20), "member2": after(90)}
	unsure := late // never acknowledged
	unsure.acked, unsure.held = time.Time{}, map[string]time.Time{"member1": after(500)}
	got, member := slowest([]observation{quick, unsure, late})
	if diff := cmp.Diff(late, got, cmp.AllowUnexported(observation{})); diff != "" || member != "member2" {
		t.Errorf("in %s (-want +got):\n%s", member, diff)
	}
	if _, member := slowest([]observation{unsure}); member != "" {
		t.Errorf("%s holds what was not acknowledged", member)
	}
}

func TestSilenceCountsTheEndsOfTheSpan(t *testing.T) {
	cases := map[string]struct {
		arrivals []time.Time
		want     time.Duration
	}{
		"with no arrival it is the whole span": {want: 100 * time.Millisecond},
		"before the first arrival":             {arrivals: []time.Time{after(70), after(80)}, want: 70 * time.Millisecond},
		"after the last arrival":               {arrivals: []time.Time{after(10), after(20)}, want: 80 * time.Millisecond},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, silence(tc.arrivals, noon, after(100))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
