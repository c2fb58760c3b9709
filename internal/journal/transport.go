package journal

import (
	"context"
	"net"
	"net/http"

	"github.com/flotilla-dev/flotilla/internal/fence"
)

// Wrap lets the journal hear what time the API servers have: they tell it with each answer. It is for the client of the lease.
func (j *Journal) Wrap(next http.RoundTripper) http.RoundTripper { return listener{j, next} }

type listener struct {
	journal *Journal
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l listener) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if told, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		l.journal.hear(told)
	}
	return response, nil
}

// WrappedRoundTripper lets client-go find the transport underneath.
func (l listener) WrappedRoundTripper() http.RoundTripper { return l.next }

// Dial lets the journal know of new connections: what was missed may be behind each. It is for the client of the lease.
func (j *Journal) Dial(next fence.DialFunc) fence.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := next(ctx, network, address)
		j.Blink()
		return connection, err
	}
}
