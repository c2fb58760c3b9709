package rewatch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/watchlist"
	"k8s.io/utils/ptr"
)

// Host is the pace for the host, between one and two seconds: nothing is decided well without it.
func Host() wait.Backoff { return wait.Backoff{Duration: time.Second, Jitter: 1} }

// Member is the pace for a member, from one second up to between ten and fifteen: it may be away for days, and it is one of many.
func Member() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Steps: 5, Cap: 10 * time.Second, Jitter: 0.5}
}

// Soon is a source of one informer that goes on asking, at a pace, while the API server cannot be reached or says that it is not there. An
// answer of the server, such as that a kind is forbidden, or that it has too much to do, is passed on always; so is every error before
// the first list has arrived, because somebody waits for that and wants to know why there is none.
//
// A watch that had to wait is not gone on with, though the server is back: it may have been restored, and a watch from a version that it has
// not reached yet says nothing until it has. The error Expired makes the informer list anew instead.
func Soon(from toolscache.ListerWatcher, pace wait.Backoff) toolscache.ListerWatcher {
	return &source{ListerWatcherWithContext: toolscache.ToListerWatcherWithContext(from), from: from, pace: pace}
}

type source struct {
	toolscache.ListerWatcherWithContext
	from   toolscache.ListerWatcher
	pace   wait.Backoff
	listed atomic.Bool
}

var _ toolscache.ListerWatcher = &source{}

// List implements toolscache.ListerWatcher, for callers that have no context.
func (s *source) List(o metav1.ListOptions) (runtime.Object, error) { return s.from.List(o) } //nolint:staticcheck // the interface asks for it

// Watch implements toolscache.ListerWatcher, for callers that have no context.
func (s *source) Watch(o metav1.ListOptions) (watch.Interface, error) { return s.from.Watch(o) } //nolint:staticcheck // the interface asks for it

// ListWithContext implements toolscache.ListerWithContext.
func (s *source) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	list, _, err := ask(ctx, s, func() (runtime.Object, error) { return s.ListerWatcherWithContext.ListWithContext(ctx, o) })
	if err == nil {
		s.listed.Store(true)
	}
	return list, err
}

// WatchWithContext implements toolscache.WatcherWithContext.
func (s *source) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	goesOn := !ptr.Deref(o.SendInitialEvents, false)
	if goesOn {
		s.listed.Store(true) // from where to watch is known by a list only
	}
	watching, waited, err := ask(ctx, s, func() (watch.Interface, error) { return s.ListerWatcherWithContext.WatchWithContext(ctx, o) })
	if err == nil && waited && goesOn {
		watching.Stop()
		return nil, apierrors.NewResourceExpired("the API server was away, and may have been restored")
	}
	return watching, err
}

// IsWatchListSemanticsUnSupported tells reflectors what the client underneath can do.
func (s *source) IsWatchListSemanticsUnSupported() bool {
	return watchlist.DoesClientNotSupportWatchListSemantics(s.from)
}

// ask sends a request until the server answers, and says whether that took more than one.
func ask[T any](ctx context.Context, s *source, request func() (T, error)) (answer T, waited bool, err error) {
	requests := 0
	_ = s.pace.DelayFunc().Until(ctx, true, true, func(context.Context) (bool, error) {
		requests++
		answer, err = request()
		return err == nil || !s.listed.Load() || !away(err), nil
	})
	return answer, requests > 1, err
}

// away tells a server that could not be asked from one that has answered. That it gave up after a while (504) is an answer: it says so,
// too, of a version that it has not reached.
func away(err error) bool {
	var unsent *url.Error
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &unsent):
		return true
	case errors.As(err, &status):
		code := status.Status().Code
		return code == http.StatusBadGateway || code == http.StatusServiceUnavailable
	}
	return false
}
