package topologies

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	// latencyVariable makes the slow host slower, such as 2s.
	latencyVariable = "FLOTILLA_HOST_LATENCY"
	// defaultLatency is what is tried with every change.
	defaultLatency = 200 * time.Millisecond
	// outage is how long the host is lost: longer than the lease, and than it takes until a member counts as lost.
	outage = 6 * time.Second
	// attemptInterval is between two attempts to write to a host that is lost.
	attemptInterval = 200 * time.Millisecond
)

func TestAStackedHostMayLoseAnyPieceAndItsQuorumForAWhile(t *testing.T) {
	s := newScene(t, stacked)
	t.Run("etcd's leader is killed and returns", s.etcdLeaderDies)
	t.Run("two of three API servers are killed and return", s.apiServersDie)
	t.Run("the quorum is lost and returns", s.quorumIsLost)
	t.Run("the host is slow", s.hostIsSlow)
	t.Run("the host's store is full", s.hostIsFull)
	t.Run("a member is slow", s.memberIsSlow)
	t.Run("a member's store is full", s.memberIsFull)
	t.Run("a member's certificate has expired", s.memberExpires)
}

func TestAHostWithExternalEtcdMayLoseAnyPieceAndItsQuorumForAWhile(t *testing.T) {
	s := newScene(t, external)
	t.Run("etcd's leader is killed and returns", s.etcdLeaderDies)
	t.Run("two of three API servers are killed and return", s.apiServersDie)
	t.Run("the quorum is lost and returns", s.quorumIsLost)
}

// returns starts dead processes again, all at once.
func (s *scene) returns(t *testing.T, dead ...string) {
	t.Helper()
	var group errgroup.Group
	for _, name := range dead {
		group.Go(func() error { return s.fleet.Start(t.Context(), name) })
	}
	do(t, group.Wait())
}

// etcdLeader names the process that leads.
func (s *scene) etcdLeader(t *testing.T) string {
	t.Helper()
	var name string
	local.Eventually(t, expect.Patience, func(ctx context.Context) error {
		var err error
		name, err = s.fleet.EtcdLeader(ctx)
		return err
	})
	return name
}

func (s *scene) etcdLeaderDies(t *testing.T) {
	start, from := time.Now(), s.numbered
	leader := s.etcdLeader(t)
	do(t, s.fleet.Kill(t.Context(), leader))
	undo(t, s.fleet.Start, leader)
	s.passes(t, leader+", which led, is dead")
	do(t, s.fleet.Start(t.Context(), leader))
	s.passes(t, "it is back")
	s.untouched(t, start, from, s.fleet.Members...)
}

func (s *scene) apiServersDie(t *testing.T) {
	start, from := time.Now(), s.numbered
	dead := []string{"host-apiserver-0", "host-apiserver-1"}
	for _, name := range dead {
		do(t, s.fleet.Kill(t.Context(), name))
		undo(t, s.fleet.Start, name)
	}
	s.passes(t, "one of three API servers is left")
	s.returns(t, dead...)
	s.untouched(t, start, from, s.fleet.Members...)
}

func (s *scene) quorumIsLost(t *testing.T) {
	start, from := time.Now(), s.numbered
	leader := s.etcdLeader(t)
	dead := []string{leader}
	for _, name := range []string{"host-etcd-0", "host-etcd-1"} {
		if name != leader && len(dead) < 2 {
			dead = append(dead, name)
		}
	}
	for _, name := range dead {
		do(t, s.fleet.Kill(t.Context(), name))
		undo(t, s.fleet.Start, name)
	}
	s.lastsWithoutHost(t, start, "the quorum is lost")
	s.returns(t, dead...)
	s.passes(t, "the quorum is back")
	s.untouched(t, start, from, s.fleet.Members...)
	s.runs(t, map[string]int32{"member1": 2, "member2": 2})
}

// lastsWithoutHost makes sure that the host takes nothing in for as long as an outage lasts, and that Flotilla changes
// nothing in members meanwhile.
func (s *scene) lastsWithoutHost(t *testing.T, start time.Time, why string) {
	t.Helper()
	attempts := 0
	ctx, cancel := context.WithDeadline(t.Context(), start.Add(outage))
	defer cancel()
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		attempts++
		if err := s.fleet.Host.Client().Create(ctx, builder.ConfigMap(s.ns, fmt.Sprintf("lost-%d", attempts))); err == nil {
			t.Errorf("%s, and the host took something in", why)
		}
	}, attemptInterval)
	t.Logf("%s: the host refused all of %d attempts for %s", why, attempts, time.Since(start).Round(100*time.Millisecond))
	s.untouched(t, start, s.numbered, s.fleet.Members...)
}

func (s *scene) hostIsSlow(t *testing.T) {
	latency := defaultLatency
	if text := os.Getenv(latencyVariable); text != "" {
		var err error
		if latency, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", latencyVariable, err)
		}
	}
	start, from := time.Now(), s.numbered
	do(t, s.fleet.Slow(t.Context(), "host", latency))
	undo(t, s.fleet.Heal, "host")
	s.passes(t, fmt.Sprintf("%s more for each answer of the host", latency))
	do(t, s.fleet.Heal(t.Context(), "host"))
	s.passes(t, "the host is as quick as before")
	s.untouched(t, start, from, s.fleet.Members...)
}

func (s *scene) hostIsFull(t *testing.T) {
	start, from := time.Now(), s.numbered
	do(t, s.fleet.Fill(t.Context(), "host"))
	undo(t, s.fleet.Free, "host")
	err := s.fleet.Host.Client().Create(t.Context(), builder.ConfigMap(s.ns, "too-much"))
	if err == nil || !strings.Contains(err.Error(), "database space exceeded") {
		t.Fatalf("creating an object in a full host: got error %v", err)
	}
	s.lastsWithoutHost(t, start, "the store of the host is full")
	do(t, s.fleet.Free(t.Context(), "host"))
	s.passes(t, "the store of the host has room again")
	s.untouched(t, start, from, s.fleet.Members...)
	s.runs(t, map[string]int32{"member1": 2, "member2": 2})
}
