package rewatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

var (
	errRefused   = errors.New("connection refused")
	errForbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "widgets"}, "", nil)
	errBusy      = apierrors.NewTooManyRequests("", 30)
)

// server answers each request with the next of its errors, and with success from then on.
type server struct {
	answers  []error
	requests int
}

func (s *server) answer() error {
	s.requests++
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *server) source(pace wait.Backoff) toolscache.ListerWatcherWithContext {
	return toolscache.ToListerWatcherWithContext(Soon(&toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) { return nil, s.answer() },
		WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
			return watch.NewFake(), s.answer()
		},
	}, pace))
}

func TestAnInformerAsksOnUntilTheServerIsBack(t *testing.T) {
	gone := apierrors.NewResourceExpired("too old")
	tests := map[string]struct {
		// answers to the first request, and to the second one.
		answers  []error
		first    error
		second   error
		requests int
	}{
		"nothing is wrong":                                       {requests: 2},
		"what was never served is told why":                      {answers: []error{errRefused}, first: errRefused, requests: 2},
		"a server that comes back is noticed":                    {answers: []error{nil, errRefused, errRefused, errRefused}, requests: 5},
		"one that starts is not there yet":                       {answers: []error{nil, apierrors.NewServiceUnavailable("starting")}, requests: 3},
		"a refusal is an answer":                                 {answers: []error{nil, errForbidden}, second: errForbidden, requests: 2},
		"a history that is gone is listed anew by the informer":  {answers: []error{nil, errRefused, gone}, second: gone, requests: 3},
		"a server that has too much to do is left to the caller": {answers: []error{nil, errBusy}, second: errBusy, requests: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for request, do := range map[string]func(context.Context, toolscache.ListerWatcherWithContext) error{
				"list": func(ctx context.Context, s toolscache.ListerWatcherWithContext) error {
					_, err := s.ListWithContext(ctx, metav1.ListOptions{})
					return err
				},
				"watch": func(ctx context.Context, s toolscache.ListerWatcherWithContext) error {
					_, err := s.WatchWithContext(ctx, metav1.ListOptions{})
					return err
				},
			} {
				synctest.Test(t, func(t *testing.T) {
					host := &server{answers: append([]error{}, tc.answers...)}
					source := host.source(Host())
					first, second := do(t.Context(), source), do(t.Context(), source)
					if !errors.Is(first, tc.first) || !errors.Is(second, tc.second) || host.requests != tc.requests {
						t.Errorf("%s: %v, then %v after %d requests; want %v, then %v after %d",
							request, first, second, host.requests, tc.first, tc.second, tc.requests)
					}
				})
			}
		})
	}
}

func TestTheHostIsAskedEverySecondOrTwoAndAMemberLessAndLess(t *testing.T) {
	type bounds struct{ Least, Most time.Duration }
	for name, tc := range map[string]struct {
		pace wait.Backoff
		want []bounds
	}{
		"host":   {Host(), []bounds{{1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}}},
		"member": {Member(), []bounds{{1, 2}, {2, 3}, {4, 6}, {8, 12}, {10, 15}, {10, 15}}},
	} {
		t.Run(name, func(t *testing.T) {
			next := tc.pace.DelayFunc()
			for i, want := range tc.want {
				if got := next(); got < want.Least*time.Second || got > want.Most*time.Second {
					t.Errorf("pause %d is %s, want one of %d to %d s", i, got, want.Least, want.Most)
				}
			}
		})
	}
}

func TestWhatIsNotAskedForAnyMoreEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		host := &server{answers: []error{nil}}
		source := host.source(Host())
		if _, err := source.ListWithContext(ctx, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
		host.answers = []error{errRefused, errRefused, errRefused}
		ended := make(chan error)
		go func() {
			_, err := source.WatchWithContext(ctx, metav1.ListOptions{})
			ended <- err
		}()
		synctest.Wait() // it pauses
		cancel()
		if err := <-ended; !errors.Is(err, errRefused) {
			t.Errorf("it ended with %v", err)
		}
		if _, err := source.WatchWithContext(ctx, metav1.ListOptions{}); err == nil {
			t.Error("a source that nobody needs has answered")
		}
	})
}

func TestAReflectorLearnsWhatTheClientCanDo(t *testing.T) {
	var got []bool
	for _, unsupported := range []bool{true, false} {
		from := toolscache.ToListWatcherWithWatchListSemantics(&toolscache.ListWatch{}, client(unsupported))
		got = append(got, Soon(from, Host()).(*source).IsWatchListSemanticsUnSupported())
	}
	if diff := cmp.Diff([]bool{true, false}, got); diff != "" {
		t.Errorf("unsupported (-want +got):\n%s", diff)
	}
}

// client says whether it cannot stream lists.
type client bool

func (c client) IsWatchListSemanticsUnSupported() bool { return bool(c) }
