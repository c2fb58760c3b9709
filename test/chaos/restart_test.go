package chaos

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

func TestARestartWithThreeHundredBindingsWritesNothing(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	const n = 300
	counting(t, fleet, ns, n, func(int) {})
	everywhere(t, fleet, ns, n)
	settled(t, fleet)

	start := time.Now()
	for _, name := range []string{"manager-0", "manager-1"} {
		if err := fleet.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"manager-0", "manager-1"} {
		if err := fleet.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	leader(t, fleet)
	t.Log("a new template is served: the restart is over")
	probe := builder.ConfigMap(ns, "probe", "number", "probe")
	expect.Create(t, fleet.Host, probe.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, probe.DeepCopy(), expect.Present)
	}
	settled(t, fleet)
	for _, cluster := range append([]*local.Cluster{fleet.Host}, fleet.Members...) {
		for _, w := range templateWrites(t, cluster, ns, start) {
			if w.Name != "probe" {
				t.Errorf("%s: %s %s %s/%s by %s, want no write", cluster.Name, w.Verb, w.Resource, w.Subresource, w.Name, w.User)
			}
		}
	}
}

// pulses are written as long as a cluster lives: leases, what nodes tell of themselves, and what is told of all this.
var pulses = []string{"leases", "nodes", "events"}

// settled waits until nobody has written anything, anywhere, for a while: ten looks in a row. Requests that are refused do not
// count: the host's own controllers never give up on what is template only.
func settled(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	const looks = 10
	last, same := -1, 0
	expect.Eventually(t, "quiet", func(ctx context.Context) error {
		now := 0
		for _, cluster := range append([]*local.Cluster{fleet.Host}, fleet.Members...) {
			counts, err := cluster.RequestCounts(ctx)
			if err != nil {
				return err
			}
			now += counts.Total(func(r local.Request) bool {
				return r.Write() && !slices.Contains(pulses, r.Resource) && r.Code != "403"
			})
		}
		if now != last {
			last, same = now, 0
			return fmt.Errorf("%d writes so far", now)
		}
		if same++; same < looks {
			return fmt.Errorf("quiet for %d looks only", same)
		}
		return nil
	})
}

// templateWrites are the writes to ConfigMaps of a namespace.
func templateWrites(t *testing.T, cluster *local.Cluster, ns string, since time.Time) []local.Write {
	t.Helper()
	writes, err := cluster.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	var found []local.Write
	for _, w := range writes {
		if w.Namespace == ns && w.Resource == "configmaps" {
			found = append(found, w)
		}
	}
	return found
}
