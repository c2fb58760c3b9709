package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// Fault is something that can be done to one piece of a fleet, and undone.
type Fault struct {
	// Name says what is done to what, for example "leader killed".
	Name string
	// Member that it concerns; empty for none.
	Member string
	// Least is how long it must last to show; 0 for any time.
	Least time.Duration
	// piece resolves to the name of a process, a cluster or a link when the fault begins: who leads changes.
	piece piece
	way   way
}

// piece finds what is broken.
type piece func(ctx context.Context, fleet *local.Fleet) (string, error)

// way is how something is broken, and how that is undone.
type way struct {
	name       string
	harm, undo func(*local.Fleet, context.Context, string) error
}

var (
	killed  = way{"killed", (*local.Fleet).Kill, (*local.Fleet).Start}
	stopped = way{"stopped", (*local.Fleet).Stop, (*local.Fleet).Start}
	cutOff  = way{"cut off", (*local.Fleet).Cut, (*local.Fleet).Heal}
)

const (
	// leaderTimeout is how long to look for a leader: a lease of the default length runs out, and another is taken.
	leaderTimeout  = 40 * time.Second
	leaderInterval = 250 * time.Millisecond
	// takeOver is how long what keeps the leader from the host must last: longer than the lease of a bed for chaos.
	takeOver = 7 * time.Second
)

// Faults are all that can befall a fleet, in a fixed order: first the managers, then the members, then each piece of the host.
func Faults(fleet *local.Fleet) []Fault {
	var all []Fault
	add := func(name, member string, p piece, ways ...way) {
		for _, w := range ways {
			all = append(all, Fault{Name: name + " " + w.name, Member: member, piece: p, way: w})
		}
	}
	add("leader", "", leader, killed, stopped, cutOff)
	add("host's network", "", called("host"), cutOff)
	for i := range all {
		all[i].Least = takeOver
	}
	if len(fleet.Managers()) > 1 {
		add("stand-by", "", standBy, killed)
	}
	last := fleet.Members[len(fleet.Members)-1].Name
	add(last+"'s API server", last, called(last+"-apiserver"), killed, stopped)
	add(last+"'s network", last, called(last), cutOff)
	add(last+"'s etcd", last, called(last+"-etcd"), killed)
	ways := []way{killed, stopped}
	if len(components(fleet, "host-etcd-")) > 1 {
		// Between the pieces of a host that is a single one there is no network.
		ways = append(ways, cutOff)
		add("etcd's leader", "", etcdLeader, ways...)
	}
	for _, prefix := range []string{"host-etcd-", "host-apiserver-", "host-balancer"} {
		for _, name := range components(fleet, prefix) {
			add(name, "", called(name), ways...)
		}
	}
	return all
}

func called(name string) piece {
	return func(context.Context, *local.Fleet) (string, error) { return name, nil }
}

func leader(ctx context.Context, fleet *local.Fleet) (string, error) {
	var name string
	var last error
	err := wait.PollUntilContextTimeout(ctx, leaderInterval, leaderTimeout, true, func(ctx context.Context) (bool, error) {
		name, last = fleet.Leader(ctx)
		return last == nil, nil
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, last)
	}
	return name, nil
}

func standBy(ctx context.Context, fleet *local.Fleet) (string, error) {
	leading, err := leader(ctx, fleet)
	if err != nil {
		return "", err
	}
	for _, name := range fleet.Managers() {
		if name != leading && fleet.Status(name) == process.Running {
			return name, nil
		}
	}
	return "", fmt.Errorf("no manager runs beside %s", leading)
}

func etcdLeader(ctx context.Context, fleet *local.Fleet) (string, error) {
	return fleet.EtcdLeader(ctx)
}

// components are the processes whose names begin so.
func components(fleet *local.Fleet, prefix string) []string {
	return slices.DeleteFunc(fleet.Names(), func(name string) bool { return !strings.HasPrefix(name, prefix) })
}
