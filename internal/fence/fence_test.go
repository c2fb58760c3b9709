package fence

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	clocktesting "k8s.io/utils/clock/testing"
)

// server answers requests, or holds them until they are given up.
type server struct {
	hold    bool
	arrived chan string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.arrived <- r.Method + " " + r.URL.Path
	if s.hold {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

// gate is a fence around a server.
type gate struct {
	clock  *clocktesting.FakeClock
	fence  *Fence
	server *server
}

func newGate() *gate {
	c := clocktesting.NewFakeClock(start)
	return &gate{clock: c, fence: New(c, terms), server: &server{arrived: make(chan string, 10)}}
}

// send makes a request and reads the answer.
func (g *gate) send(t *testing.T, method, path string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://host"+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := g.fence.Wrap(g.server).RoundTrip(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

const object = "/api/v1/namespaces/shop/configmaps/c"

func TestOnlyWhoHoldsTheLeaseChangesAnything(t *testing.T) {
	const review = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
	never, lately, longAgo := func(*gate) {}, func(g *gate) { g.fence.Renew(start) }, func(g *gate) {
		g.fence.Renew(start)
		g.clock.Step(terms.RenewDeadline)
	}
	givenUp := func(g *gate) {
		g.fence.Renew(start)
		g.fence.Seal()
		g.fence.Renew(start.Add(time.Second))
	}
	again := func(g *gate) {
		longAgo(g)
		g.fence.Renew(g.clock.Now())
	}
	for name, tc := range map[string]struct {
		lease        func(*gate)
		method, path string
		want         error
		open         bool
	}{
		"a stand-by that writes":             {never, http.MethodPut, object, ErrClosed, false},
		"a stand-by that reads":              {never, http.MethodGet, object, nil, false},
		"a stand-by that asks for rights":    {never, http.MethodPost, review, nil, false},
		"the holder":                         {lately, http.MethodPatch, object, nil, true},
		"a holder who did not renew":         {longAgo, http.MethodDelete, object, ErrClosed, false},
		"a holder who did not renew, asking": {longAgo, http.MethodGet, object, nil, false},
		"a holder who renewed late":          {again, http.MethodPost, object, nil, true},
		"one that gave the lease up":         {givenUp, http.MethodPost, object, ErrClosed, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			tc.lease(g)
			if got := g.fence.Open(); got != tc.open {
				t.Errorf("Open() = %v, want %v", got, tc.open)
			}
			err := g.send(t, tc.method, tc.path)
			if !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if arrived := len(g.server.arrived) > 0; arrived == (tc.want != nil) {
				t.Errorf("arrived = %v", arrived)
			}
		})
	}
}

// pending sends a request that is not answered, and returns what becomes of it.
func (g *gate) pending(t *testing.T) <-chan error {
	t.Helper()
	g.server.hold = true
	g.fence.Renew(g.clock.Now())
	result := make(chan error, 1)
	go func() { result <- g.send(t, http.MethodPatch, object) }()
	<-g.server.arrived
	return result
}

func TestWhatIsUnderWayLastsAsLongAsTheLeaseIsRenewed(t *testing.T) {
	g := newGate()
	result := g.pending(t)
	for range 5 {
		g.clock.Step(terms.RenewDeadline / 2)
		g.fence.Renew(g.clock.Now())
	}
	select {
	case err := <-result:
		t.Fatalf("a request was given up while the lease was held: %v", err)
	default:
	}
	for len(result) == 0 {
		g.clock.Step(terms.RenewDeadline) // the timer is set anew once, from another goroutine
		if t.Context().Err() != nil {
			t.Fatal("a request outlived the lease")
		}
	}
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Errorf("error = %v, want %v", err, ErrClosed)
	}
}

func TestTheLeaseIsGivenUpWhenNothingIsUnderWay(t *testing.T) {
	g := newGate()
	result := g.pending(t)
	g.fence.Seal()
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Errorf("error = %v, want %v", err, ErrClosed)
	}
}

func TestAHostThatWentBackGivesUpWhatIsUnderWayWithoutWaiting(t *testing.T) {
	g := newGate()
	result := g.pending(t)
	g.fence.Shut()
	if g.fence.Open() {
		t.Error("the fence is open")
	}
	if err := g.send(t, http.MethodDelete, object); !errors.Is(err, ErrClosed) {
		t.Errorf("error of a new request = %v, want %v", err, ErrClosed)
	}
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Errorf("error of the one under way = %v, want %v", err, ErrClosed)
	}
}

// waiting sends a request after the host was dialled, and returns what becomes of it when it has come to wait.
func (g *gate) waiting(ctx context.Context, t *testing.T) <-chan error {
	t.Helper()
	g.fence.Renew(g.clock.Now())
	g.clock.Step(time.Millisecond)
	dial := g.fence.Dial(func(context.Context, string, string) (net.Conn, error) { return nil, nil })
	if _, err := dial(t.Context(), "tcp", "host:6443"); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, "https://member"+object, nil)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		response, err := g.fence.Wrap(g.server).RoundTrip(r)
		if err == nil {
			err = response.Body.Close()
		}
		result <- err
	}()
	for waits := false; !waits; runtime.Gosched() {
		g.fence.mu.Lock()
		waits = g.fence.settled != nil
		g.fence.mu.Unlock()
		if t.Context().Err() != nil {
			t.Fatal("a request does not wait")
		}
	}
	return result
}

// TestNothingIsChangedForWhatANewConnectionSaysBeforeTheLeaseWasRenewed is about a leader that outlives a restoration: it deletes what
// the restored host does not want, before it has looked at the lease.
func TestNothingIsChangedForWhatANewConnectionSaysBeforeTheLeaseWasRenewed(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	for name, tc := range map[string]struct {
		ctx  context.Context
		then func(*gate)
		want error
	}{
		"renewed": {t.Context(), func(g *gate) {
			g.fence.Renew(g.clock.Now()) // which may have been sent before the connection was made
			g.clock.Step(time.Millisecond)
			g.fence.Renew(g.clock.Now())
		}, nil},
		"went back":      {t.Context(), func(g *gate) { g.fence.Shut() }, ErrClosed},
		"given up":       {t.Context(), func(g *gate) { g.fence.Seal() }, ErrClosed},
		"not renewed":    {t.Context(), func(g *gate) { g.clock.Step(terms.RenewDeadline) }, ErrClosed},
		"not waited for": {gone, func(*gate) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			result := g.waiting(tc.ctx, t)
			if !g.fence.due(g.clock.Now()) {
				t.Error("no renewal is due")
			}
			if len(g.server.arrived) > 0 {
				t.Error("the request did not wait")
			}
			if err := g.send(t, http.MethodGet, object); err != nil {
				t.Errorf("reading: %v", err)
			}
			<-g.server.arrived
			tc.then(g)
			if err := <-result; !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if arrived := len(g.server.arrived) > 0; arrived == (tc.want != nil) {
				t.Errorf("arrived = %v", arrived)
			}
		})
	}
}

func TestAConnectionThatFailedIsNoDoubt(t *testing.T) {
	g := newGate()
	g.fence.Renew(start)
	refused := errors.New("connection refused")
	dial := g.fence.Dial(func(context.Context, string, string) (net.Conn, error) { return nil, refused })
	if _, err := dial(t.Context(), "tcp", "host:6443"); !errors.Is(err, refused) {
		t.Errorf("error = %v, want %v", err, refused)
	}
	if err := g.send(t, http.MethodPut, object); err != nil {
		t.Errorf("error = %v", err)
	}
}

func TestAnAnswerCanBeReadAfterTheRequestPassed(t *testing.T) {
	g := newGate()
	g.fence.Renew(start)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://host"+object, nil)
	if err != nil {
		t.Fatal(err)
	}
	under := make(chan context.Context, 1)
	response, err := g.fence.Wrap(roundTrip(func(r *http.Request) (*http.Response, error) {
		under <- r.Context()
		return g.server.RoundTrip(r)
	})).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	passed := <-under
	if passed.Err() != nil {
		t.Errorf("the request ended before its answer was read: %v", passed.Err())
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if passed.Err() == nil {
		t.Error("the context of an answered request stays")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// lease is a lock that notes what is written.
type lease struct {
	resourcelock.Interface
	err    error
	writes []string
	during func()
}

func (*lease) Identity() string { return "us" }

func (l *lease) write(verb string, record resourcelock.LeaderElectionRecord) error {
	l.writes = append(l.writes, verb+" "+record.HolderIdentity)
	if l.during != nil {
		l.during()
	}
	return l.err
}

func (l *lease) Create(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write("create", r)
}

func (l *lease) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write("update", r)
}

func TestTheLeaseIsWrittenOnceInARetryPeriodAndOpensTheFence(t *testing.T) {
	g := newGate()
	inner := &lease{}
	lock := g.fence.Lock(inner)
	ours := resourcelock.LeaderElectionRecord{HolderIdentity: "us"}
	if err := lock.Create(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	for range 9 { // 200 ms apart: none is due
		g.clock.Step(200 * time.Millisecond)
		if err := lock.Update(t.Context(), ours); err != nil {
			t.Fatal(err)
		}
	}
	g.clock.Step(200 * time.Millisecond)
	inner.err = errors.New("the host does not answer")
	if err := lock.Update(t.Context(), ours); !errors.Is(err, inner.err) {
		t.Errorf("error = %v, want %v", err, inner.err)
	}
	inner.err, inner.during = nil, func() { g.clock.Step(3 * time.Second) }
	if err := lock.Update(t.Context(), ours); err != nil { // a failure is repeated at once
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"create us", "update us", "update us"}, inner.writes); diff != "" {
		t.Errorf("writes differ (-want +got):\n%s", diff)
	}
	if want := start.Add(2 * time.Second); !g.fence.renewed.Equal(want) {
		t.Errorf("renewed at %s, want when it was sent: %s", g.fence.renewed, want)
	}
}

func TestTheFenceIsClosedBeforeTheLeaseIsGivenUp(t *testing.T) {
	g := newGate()
	g.fence.Renew(start)
	inner := &lease{}
	inner.during = func() {
		if err := g.send(t, http.MethodPost, object); !errors.Is(err, ErrClosed) {
			t.Errorf("while the lease is given up: error = %v, want %v", err, ErrClosed)
		}
	}
	if err := g.fence.Lock(inner).Update(t.Context(), resourcelock.LeaderElectionRecord{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"update "}, inner.writes); diff != "" {
		t.Errorf("writes differ (-want +got):\n%s", diff)
	}
}
