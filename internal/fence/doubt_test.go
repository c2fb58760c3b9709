package fence

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// wire is the other end of a connection: it says one byte when it is asked, or has ended.
type wire struct {
	net.Conn // nil, for what nobody asks for
	ended    bool
}

func (w *wire) Read(b []byte) (int, error) {
	if w.ended {
		return 0, io.EOF
	}
	return len(b), nil
}

// dialled connects to the host, a moment after what was before.
func (g *gate) dialled(t *testing.T) net.Conn {
	t.Helper()
	g.clock.Step(time.Millisecond)
	c, err := g.fence.Dial(func(context.Context, string, string) (net.Conn, error) { return &wire{}, nil })(t.Context(), "tcp", "host:6443")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (g *gate) heard(c net.Conn) {
	g.clock.Step(time.Millisecond)
	_, _ = c.Read(make([]byte, 1)) // an error is what some of the connections are for
}

func (g *gate) renewed() {
	g.clock.Step(time.Millisecond)
	g.fence.Renew(g.clock.Now())
}

// holds says whether a request that arrives now has to wait.
func (g *gate) holds(t *testing.T) bool {
	t.Helper()
	return g.holdsSince(t, g.clock.Now())
}

// holdsSince says whether a request that arrived then has to wait still.
func (g *gate) holdsSince(t *testing.T, arrived time.Time) bool {
	t.Helper()
	p := &passage{func(error) {}}
	settled, err := g.fence.try(p, arrived)
	if err != nil {
		t.Fatal(err)
	}
	if settled == nil {
		g.fence.leave(p)
	}
	return settled != nil
}

func TestOnlyAProofSinceANewConnectionEndsTheDoubt(t *testing.T) {
	for name, tc := range map[string]struct {
		then func(t *testing.T, g *gate, old net.Conn)
		want bool // that requests wait
	}{
		"no other connection": {func(t *testing.T, g *gate, _ net.Conn) { g.dialled(t) }, true},
		"the lease is renewed": {func(t *testing.T, g *gate, _ net.Conn) {
			g.dialled(t)
			g.renewed()
		}, false},
		"an older one is heard": {func(t *testing.T, g *gate, old net.Conn) {
			g.dialled(t)
			g.heard(old)
		}, false},
		"an older one was heard just before, and is open": {func(t *testing.T, g *gate, old net.Conn) {
			g.heard(old)
			g.dialled(t)
		}, true},
		"an older one ends": {func(t *testing.T, g *gate, old net.Conn) {
			g.dialled(t)
			old.(*connection).Conn.(*wire).ended = true
			g.heard(old)
		}, true},
		"the new one is heard": {func(t *testing.T, g *gate, _ net.Conn) { g.heard(g.dialled(t)) }, true},
		"one that is as doubtful is heard": {func(t *testing.T, g *gate, _ net.Conn) {
			since := g.dialled(t)
			g.dialled(t)
			g.heard(since)
		}, true},
		"one that was proven is heard": {func(t *testing.T, g *gate, old net.Conn) {
			since := g.dialled(t)
			g.heard(old)
			g.dialled(t)
			g.heard(since)
		}, false},
		"another one after the proof": {func(t *testing.T, g *gate, old net.Conn) {
			g.dialled(t)
			g.heard(old)
			g.dialled(t)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			g.fence.Renew(g.clock.Now())
			old := g.dialled(t)
			g.renewed()
			if g.holds(t) {
				t.Fatal("requests wait before anything has happened")
			}
			tc.then(t, g, old)
			if got := g.holds(t); got != tc.want {
				t.Errorf("a request waits: %v, want %v", got, tc.want)
			}
			if got := g.fence.due(g.clock.Now()); got != tc.want {
				t.Errorf("a renewal is due: %v, want %v", got, tc.want)
			}
		})
	}
}

// TestNobodyWaitsForMoreThanOneRenewal has a balancer that connects and drops connections more often than the lease can be renewed.
func TestNobodyWaitsForMoreThanOneRenewal(t *testing.T) {
	g := newGate()
	g.fence.Renew(g.clock.Now())
	g.dialled(t)
	arrived := g.clock.Now()
	for i, want := range []bool{true, false, false} { // the first renewal may have been sent before the request arrived
		g.fence.Renew(g.clock.Now())
		g.dialled(t)
		if got := g.holdsSince(t, arrived); got != want {
			t.Errorf("after renewal %d: the request waits: %v, want %v", i, got, want)
		}
		if !g.holds(t) {
			t.Errorf("after renewal %d: a request that arrives after the last connection passes", i)
		}
	}
}

func TestALongWaitIsToldOfOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		wait time.Duration
		want []string
	}{
		"an ordinary one": {time.Second, nil},
		"a long one":      {6 * time.Second, []string{`"waited"="6s"`}},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			logger := funcr.New(func(_, args string) { lines = append(lines, args[strings.Index(args, `"waited"`):]) }, funcr.Options{})
			ctx := log.IntoContext(logr.NewContext(t.Context(), logger), logger)
			g := newGate()
			result := g.waiting(ctx, t)
			g.clock.Step(tc.wait)
			g.fence.Renew(g.clock.Now())
			if err := <-result; err != nil {
				t.Error(err)
			}
			g.fence.waited(ctx, g.clock.Now().Add(-tc.wait)) // another one that waited for the same
			if diff := cmp.Diff(tc.want, lines); diff != "" {
				t.Errorf("what is logged (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAPoolThatDialsAllTheTimeNeedsHardlyARenewal is about a host that is reached by HTTP/1.1: its pool keeps 25 connections, and closes those of
// everybody above that, who then dial again. Each renewal that a doubt needs costs everybody hundreds of milliseconds.
func TestAPoolThatDialsAllTheTimeNeedsHardlyARenewal(t *testing.T) {
	const writers, rounds, kept = 40, 50, 25
	now := clock.RealClock{}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-now.After(2 * time.Millisecond) }))
	defer server.Close()
	f := New(now, Terms{RenewDeadline: time.Minute, RetryPeriod: time.Minute})
	f.Renew(now.Now())
	var dials atomic.Int32
	dial := f.Dial((&net.Dialer{}).DialContext)
	pool := &http.Transport{MaxIdleConnsPerHost: kept, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, address)
	}}
	defer pool.CloseIdleConnections()
	done, renewals := make(chan struct{}), make(chan int, 1)
	go func() { renewals <- elections(f, done) }()
	client := &http.Client{Transport: f.Wrap(pool)}
	for range rounds {
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				if err := put(t.Context(), client, server.URL); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	close(done)
	renewed := <-renewals
	t.Logf("%d writes, %d connections, %d renewals for them", writers*rounds, dials.Load(), renewed)
	if dials.Load() < 5*writers {
		t.Errorf("it dialled %d times only: the pool is large enough", dials.Load())
	}
	if renewed > rounds/5 {
		t.Errorf("%d rounds waited for %d renewals, want %d at most", rounds, renewed, rounds/5)
	}
}

// elections look at the lease from time to time, and count how often it was due to be renewed.
func elections(f *Fence, done <-chan struct{}) (renewals int) {
	ticker := clock.RealClock{}.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return renewals
		case now := <-ticker.C():
			if f.due(now) {
				f.Renew(clock.RealClock{}.Now())
				renewals++
			}
		}
	}
}

func put(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, url+object, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.Body.Close()
}
