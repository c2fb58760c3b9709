package ownwrites

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestSeen(t *testing.T) {
	key := types.NamespacedName{Namespace: "shop", Name: "web"}
	tests := map[string]struct {
		wrote  string
		cached string
		after  time.Duration
		want   bool
	}{
		"nothing was written":                     {cached: "7", want: true},
		"the cache is behind":                     {wrote: "10", cached: "9", want: false},
		"the cache is at the write":               {wrote: "10", cached: "10", want: true},
		"the cache is ahead":                      {wrote: "10", cached: "11", want: true},
		"the object is not in the cache yet":      {wrote: "10", cached: "", want: false},
		"patience ends":                           {wrote: "10", cached: "9", after: Patience, want: true},
		"a version that is no number is not held": {wrote: "10", cached: "x", want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
			writes := New(clock)
			if tc.wrote != "" {
				writes.Wrote(key, tc.wrote)
			}
			clock.SetTime(clock.Now().Add(tc.after))
			if got := writes.Seen(key, tc.cached); got != tc.want {
				t.Errorf("Seen() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestForgetEndsTheWait(t *testing.T) {
	key := types.NamespacedName{Name: "web"}
	writes := New(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	writes.Wrote(key, "10")
	writes.Forget(key)
	if !writes.Seen(key, "") {
		t.Error("a forgotten write is still waited for")
	}
}

func TestARefusedWriteIsNotRepeatedUponTheSameVersion(t *testing.T) {
	key := types.NamespacedName{Namespace: "shop", Name: "web"}
	tests := map[string]struct {
		upon   string
		cached string
		after  time.Duration
		want   bool
	}{
		"the cache shows the same":                  {upon: "9", cached: "9", want: false},
		"the cache shows a newer one":               {upon: "9", cached: "10", want: true},
		"the cache shows none any more":             {upon: "9", cached: "", want: true},
		"there is one that the cache does not show": {upon: "", cached: "", want: false},
		"it is there now":                           {upon: "", cached: "10", want: true},
		"patience ends":                             {upon: "9", cached: "9", after: Patience, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
			writes := New(clock)
			writes.Refused(key, tc.upon)
			if writes.Own(key, tc.upon) {
				t.Error("what was refused counts as written")
			}
			clock.SetTime(clock.Now().Add(tc.after))
			if got := writes.Seen(key, tc.cached); got != tc.want {
				t.Errorf("Seen() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestAWriteIsOwnOnlyOfItsGeneration(t *testing.T) {
	key := types.NamespacedName{Namespace: "shop", Name: "web"}
	tests := map[string]struct {
		version    string
		generation int64
		want       bool
	}{
		"what was written":                         {"102", 4, true},
		"an edit that was not seen lies before it": {"102", 5, false},
		"somebody else has written since":          {"103", 4, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			writes := New(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
			writes.WroteOf(key, "102", 4)
			if got := writes.OwnOf(key, tc.version, tc.generation); got != tc.want {
				t.Errorf("OwnOf() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestAWriteThatIsOnItsWayIsLookedForOften(t *testing.T) {
	key := types.NamespacedName{Name: "web"}
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	writes := New(clock)
	writes.Wrote(key, "10")
	clock.SetTime(clock.Now().Add(time.Second))
	if wait := writes.Wait(key); wait != Retry {
		t.Errorf("Wait() = %v, want %v", wait, Retry)
	}
}

func TestTheLongerACacheIsAwayTheMoreSeldomItIsAsked(t *testing.T) {
	key := types.NamespacedName{Name: "web"}
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	writes := New(clock)
	writes.Refused(key, "9")
	var waits []time.Duration
	for range 8 {
		wait := writes.Wait(key)
		waits = append(waits, wait)
		clock.SetTime(clock.Now().Add(wait))
	}
	const ms = time.Millisecond
	want := []time.Duration{20 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, MaxRetry}
	if !slices.Equal(waits, want) {
		t.Errorf("waits = %v, want %v", waits, want)
	}
	if wait := writes.Wait(types.NamespacedName{Name: "other"}); wait != Retry {
		t.Errorf("Wait() of what was never written = %v, want %v", wait, Retry)
	}
}
