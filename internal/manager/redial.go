package manager

import (
	"net/http"
	"sync/atomic"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// redial is a transport that leaves a connection on which a request failed. HTTP/2 would go on using one whose other end hangs
// for most of a minute, which is longer than a lease; behind a balancer the next one leads to another API server.
type redial struct {
	next   http.RoundTripper
	failed *atomic.Bool
}

func newRedial(next http.RoundTripper) http.RoundTripper {
	return redial{next: next, failed: &atomic.Bool{}}
}

// RoundTrip implements http.RoundTripper.
func (t redial) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.failed.Swap(false) { // only now has the failed request let go of the connection
		utilnet.CloseIdleConnectionsFor(t.next)
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		t.failed.Store(true)
	}
	return response, err
}

// WrappedRoundTripper lets client-go find the transport underneath.
func (t redial) WrappedRoundTripper() http.RoundTripper { return t.next }
