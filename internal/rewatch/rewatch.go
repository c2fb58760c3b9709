package rewatch

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/watchlist"
)

// Host is the pace for the host, between one and two seconds: nothing is decided well without it.
func Host() wait.Backoff { return wait.Backoff{Duration: time.Second, Jitter: 1} }

// Member is the pace for a member, from one second up to between ten and fifteen: it may be away for days, and it is one of many.
func Member() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Steps: 5, Cap: 10 * time.Second, Jitter: 0.5}
}

// Soon is a source of one informer that goes on asking, at a pace, while the API server cannot be reached or says that it is not
// available. Until it has been served once it passes every error on, so that whoever waits for the first list learns why there is none.
// An answer of the server, such as that a kind is forbidden, or that it has too much to do, is passed on always.
func Soon(from toolscache.ListerWatcher, pace wait.Backoff) toolscache.ListerWatcher {
	return &source{ListerWatcherWithContext: toolscache.ToListerWatcherWithContext(from), from: from, pace: pace}
}

type source struct {
	toolscache.ListerWatcherWithContext
	from   toolscache.ListerWatcher
	pace   wait.Backoff
	served atomic.Bool
}

var _ toolscache.ListerWatcher = &source{}

// List implements toolscache.ListerWatcher, for callers that have no context.
func (s *source) List(o metav1.ListOptions) (runtime.Object, error) { return s.from.List(o) } //nolint:staticcheck // the interface asks for it

// Watch implements toolscache.ListerWatcher, for callers that have no context.
func (s *source) Watch(o metav1.ListOptions) (watch.Interface, error) { return s.from.Watch(o) } //nolint:staticcheck // the interface asks for it

// ListWithContext implements toolscache.ListerWithContext.
func (s *source) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	return ask(ctx, s, func() (runtime.Object, error) { return s.ListerWatcherWithContext.ListWithContext(ctx, o) })
}

// WatchWithContext implements toolscache.WatcherWithContext.
func (s *source) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return ask(ctx, s, func() (watch.Interface, error) { return s.ListerWatcherWithContext.WatchWithContext(ctx, o) })
}

// IsWatchListSemanticsUnSupported tells reflectors what the client underneath can do.
func (s *source) IsWatchListSemanticsUnSupported() bool {
	return watchlist.DoesClientNotSupportWatchListSemantics(s.from)
}

func ask[T any](ctx context.Context, s *source, request func() (T, error)) (T, error) {
	var answer T
	err := context.Canceled // what is not even asked for
	_ = s.pace.DelayFunc().Until(ctx, true, true, func(context.Context) (bool, error) {
		answer, err = request()
		if err == nil {
			s.served.Store(true)
		}
		return err == nil || !s.served.Load() || !away(err), nil
	})
	return answer, err
}

// away tells a server that could not be asked from one that has answered.
func away(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	switch status.Status().Code {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
