package expect

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// Leader waits until a manager leads, and names it.
func Leader(t testing.TB, fleet *local.Fleet) string {
	t.Helper()
	name := ""
	Eventually(t, "a leader", func(ctx context.Context) error {
		var err error
		name, err = fleet.Leader(ctx)
		return err
	})
	return name
}

// pulses are written as long as a cluster lives: leases, what nodes tell of themselves, and what is told of all this.
var pulses = []string{"leases", "nodes", "events"}

// Quiet waits until nobody has written anything, anywhere, for a while: ten looks in a row. Requests that are refused do not
// count: the host's own controllers never give up on what is template only.
func Quiet(t testing.TB, fleet *local.Fleet) {
	t.Helper()
	const looks = 10
	last, same := -1, 0
	Eventually(t, "quiet", func(ctx context.Context) error {
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
