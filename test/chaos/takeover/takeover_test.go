package takeover

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// bindings is how many the next leader has to look at again.
const bindings = 100

func TestEveryManagerIsReadyAndOneSaysThatItLeads(t *testing.T) {
	fleet := readyFleet(t)
	var leading []string
	for _, manager := range fleet.Managers() {
		if err := probe(t.Context(), fleet, manager, "/readyz/warm"); err != nil {
			t.Error(err)
		}
		if probe(t.Context(), fleet, manager, "/readyz/leading") == nil {
			leading = append(leading, manager)
		}
	}
	if diff := cmp.Diff([]string{expect.Leader(t, fleet)}, leading); diff != "" {
		t.Errorf("who leads (-want +got):\n%s", diff)
	}
}

func TestTheNextLeaderServesFirstWhatChangedWhileNobodyLed(t *testing.T) {
	for name, tc := range map[string]struct {
		end func(ctx context.Context, fleet *local.Fleet, manager string) error
		// released says that the leader gives the lease up, so that nobody waits for its end.
		released bool
		// writes is how many times a member may get the change: who ends may be about to write it, and the next one not have heard yet.
		writes int
	}{
		"after kill -9": {func(ctx context.Context, fleet *local.Fleet, manager string) error { return fleet.Kill(ctx, manager) }, false, 1},
		"after SIGTERM": {terminate, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			fleet, lease := readyFleet(t), leases(t).LeaseDuration.Duration
			ns := propagated(t, fleet, bindings)
			victim, start := expect.Leader(t, fleet), time.Now()
			_, before := taken(t, fleet)
			holders := holdersOf(t, fleet)
			ended := make(chan error, 1)
			go func() { ended <- tc.end(t.Context(), fleet, victim) }()
			write(t, fleet, ns, 0, "second")
			at := arrived(t, fleet, ns, 0, "second")
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			next := expect.Leader(t, fleet)
			since, gaps := taken(t, fleet)
			if diff := cmp.Diff(before, gaps); diff != "" { // the next leader has seen the lease all along
				t.Errorf("what the host is said to have forgotten, before %s took over and after (-want +got):\n%s", next, diff)
			}
			t.Logf("MEASURED %s, lease %s, %d bindings: a change arrives %s after the end of %s, %s after %s has taken the lease", name, lease, bindings,
				at.Sub(start).Round(time.Millisecond), victim, at.Sub(since).Round(time.Millisecond), next)
			order := holders()
			if released := slices.Contains(order, ""); len(order) < 2 || released != tc.released {
				t.Errorf("the lease was held by %q one after the other; want that it was given up in between: %v", order, tc.released)
			}
			expect.Quiet(t, fleet)
			for _, member := range fleet.Members {
				writes := writesSince(t, member, ns, start)
				if n := writes[nameOf(0)]; len(writes) != 1 || n < 1 || n > tc.writes {
					t.Errorf("writes to %s: %v, want at most %d of %s and no other", member.Name, writes, tc.writes, nameOf(0))
				}
			}
			if err := fleet.Start(t.Context(), victim); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestALeaderThatWasSuspendedWritesNothingWhenItGoesOn suspends it in the middle of its work, which others finish and go beyond.
// What it was about to write is old by then.
func TestALeaderThatWasSuspendedWritesNothingWhenItGoesOn(t *testing.T) {
	fleet := readyFleet(t)
	ns := propagated(t, fleet, bindings)
	old := expect.Leader(t, fleet)
	for _, member := range fleet.Members { // so that it has a lot to do when it is suspended
		if err := fleet.Slow(t.Context(), member.Name, 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	for i := range bindings {
		write(t, fleet, ns, i, "second")
	}
	if err := fleet.Stop(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	renewals := leaseWrites(t, fleet, stopped.Add(-time.Minute))
	credential := renewals[len(renewals)-1].Credential
	for _, member := range fleet.Members {
		if err := fleet.Heal(t.Context(), member.Name); err != nil {
			t.Fatal(err)
		}
	}
	left := undone(t, fleet, ns, "second")
	for i := range bindings {
		write(t, fleet, ns, i, "third")
	}
	everywhere(t, fleet, ns, bindings, "third")
	t.Logf("%s was suspended with %d objects to write; %s after that all members held what was written since", old, left, time.Since(stopped).Round(time.Millisecond))
	expect.Quiet(t, fleet)

	resumed := time.Now()
	if err := fleet.Start(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	expect.Eventually(t, "the end of "+old, func(context.Context) error {
		if status := fleet.Status(old); status != process.Gone {
			return fmt.Errorf("it is %s", status)
		}
		return nil
	})
	t.Logf("MEASURED %s ended %s after it went on", old, time.Since(resumed).Round(time.Millisecond))
	expect.Quiet(t, fleet)
	for _, member := range fleet.Members {
		if diff := cmp.Diff(map[string]int{}, writesSince(t, member, ns, resumed)); diff != "" {
			t.Errorf("stale writes to %s (-want +got):\n%s", member.Name, diff)
		}
	}
	if stale := hostWritesOf(t, fleet, credential, resumed); len(stale) > 0 {
		t.Errorf("stale writes to the host: %v", stale)
	}
	everywhere(t, fleet, ns, bindings, "third")
	if err := fleet.Start(t.Context(), old); err != nil {
		t.Fatal(err)
	}
}

// undone counts the ConfigMaps of all members that do not hold a value.
func undone(t *testing.T, fleet *local.Fleet, ns, value string) int {
	t.Helper()
	n := 0
	for _, member := range fleet.Members {
		n += bindings - holding(t, member, ns, value)
	}
	return n
}

// hostWritesOf are the writes to the host with the credential of one manager, its attempts at the lease included.
func hostWritesOf(t *testing.T, fleet *local.Fleet, credential string, since time.Time) []local.Write {
	t.Helper()
	writes, err := fleet.Host.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(writes, func(w local.Write) bool { return w.Credential != credential })
}
