package rewatch

import (
	"context"
	"errors"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

var (
	errRefused   error = &url.Error{Op: "Get", URL: "https://host", Err: syscall.ECONNREFUSED}
	errForbidden       = apierrors.NewForbidden(schema.GroupResource{Resource: "widgets"}, "", nil)
	errBusy            = apierrors.NewTooManyRequests("", 30)
	errAhead           = apierrors.NewTimeoutError("Too large resource version: 12, current: 5", 1)
	errMalformed       = errors.New("unexpected character at the start of the body")
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
	starting := apierrors.NewServiceUnavailable("starting")
	gone := apierrors.NewResourceExpired("too old")
	tests := map[string]struct {
		// answers to the requests from the second list on; the first one succeeds.
		answers  []error
		want     error
		requests int
	}{
		"nothing is wrong":                                       {requests: 2},
		"a server that comes back is noticed":                    {answers: []error{errRefused, errRefused, errRefused}, requests: 5},
		"one that starts is not there yet":                       {answers: []error{starting}, requests: 3},
		"a refusal is an answer":                                 {answers: []error{errForbidden}, want: errForbidden, requests: 2},
		"a history that is gone is listed anew by the informer":  {answers: []error{errRefused, gone}, want: gone, requests: 3},
		"so is one that the server has not reached yet":          {answers: []error{errRefused, errAhead}, want: errAhead, requests: 3},
		"a server that has too much to do is left to the caller": {answers: []error{errBusy}, want: errBusy, requests: 2},
		"what cannot be read is not asked for again at once":     {answers: []error{errMalformed}, want: errMalformed, requests: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := &server{answers: append([]error{nil}, tc.answers...)}
				source := host.source(Host())
				for i, want := range []error{nil, tc.want} {
					if _, err := source.ListWithContext(t.Context(), metav1.ListOptions{}); !errors.Is(err, want) {
						t.Errorf("list %d: %v, want %v", i, err, want)
					}
				}
				if host.requests != tc.requests {
					t.Errorf("%d requests, want %d", host.requests, tc.requests)
				}
			})
		})
	}
}

func TestTheFirstListTellsWhyThereIsNone(t *testing.T) {
	streamed := metav1.ListOptions{SendInitialEvents: ptr.To(true)}
	host := &server{answers: []error{errRefused, errRefused, nil, errRefused}}
	source := host.source(Host())
	var got []bool
	_, err := source.ListWithContext(t.Context(), metav1.ListOptions{})
	got = append(got, errors.Is(err, errRefused))
	_, err = source.WatchWithContext(t.Context(), streamed)
	got = append(got, errors.Is(err, errRefused))
	_, err = source.WatchWithContext(t.Context(), streamed) // it begins, which is no list yet
	got = append(got, err == nil)
	_, err = source.WatchWithContext(t.Context(), streamed)
	got = append(got, errors.Is(err, errRefused))
	if diff := cmp.Diff([]bool{true, true, true, true}, got); diff != "" {
		t.Errorf("passed on (-want +got):\n%s", diff)
	}
}

func TestAWatchIsGoneOnWithOnlyWhereTheServerWasNotAway(t *testing.T) {
	streamed := metav1.ListOptions{SendInitialEvents: ptr.To(true), ResourceVersion: "7"}
	for name, tc := range map[string]struct {
		options metav1.ListOptions
		answers []error
		expired bool
	}{
		"the server was there":                               {options: metav1.ListOptions{ResourceVersion: "7"}},
		"it was away, and may have been restored":            {options: metav1.ListOptions{ResourceVersion: "7"}, answers: []error{errRefused, errRefused}, expired: true},
		"a list is streamed, which the server checks itself": {options: streamed, answers: []error{errRefused}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := &server{answers: append([]error{nil}, tc.answers...)}
				source := host.source(Host())
				if _, err := source.ListWithContext(t.Context(), metav1.ListOptions{}); err != nil {
					t.Fatal(err)
				}
				watching, err := source.WatchWithContext(t.Context(), tc.options)
				if apierrors.IsResourceExpired(err) != tc.expired || (watching == nil) != tc.expired || !tc.expired && err != nil {
					t.Errorf("a watch: %v, and %v; want that it is expired: %v", watching != nil, err, tc.expired)
				}
			})
		})
	}
}

func TestTheHostIsAskedEverySecondOrTwoAndAMemberLessAndLess(t *testing.T) {
	type bounds struct{ least, most float64 } // seconds
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
				if got := next(); got.Seconds() < want.least || got.Seconds() > want.most {
					t.Errorf("pause %d is %s, want one of %g to %g s", i, got, want.least, want.most)
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
