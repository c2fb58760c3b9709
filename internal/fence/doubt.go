package fence

import (
	"context"
	"net"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// patience is how long a write may wait without anybody being told: several times as long as it takes to renew the lease.
const patience = 5 * time.Second

var waitSeconds = telemetry.Histogram("flotilla_fence_wait_duration_seconds",
	"How long writes to the host and to members were held back after a new connection to the host, until it was certain that the host had not been "+
		"restored. Writes that did not have to wait do not count.",
	// From an answer that was under way to a renewal of the lease, and to the end of the lease.
	[]float64{0.001, 0.01, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})

// DialFunc connects to an address, as net.Dialer does.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Dial goes around what connects to the host. Whatever a restored host says comes through a connection that is made after its API servers
// were started again; so after each new one nothing changes anything before it is proven that the host did not go back: the lease has been
// renewed since, or an API server that was there before is heard, because all of them are stopped for a restoration.
//
// That an older connection is open, or was heard of before, is no proof: one whose other end has lost its power stays open for a while.
func (f *Fence) Dial(next DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := next(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &connection{Conn: c, fence: f, made: f.doubt()}, nil
	}
}

// connection is one to the host.
type connection struct {
	net.Conn
	fence *Fence
	made  time.Time
}

// Read implements net.Conn.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.fence.heard(c.made)
	}
	return n, err
}

// doubt holds back what changes something until there is proof of a later time than now, when a connection was made.
func (f *Fence) doubt() (made time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doubted = f.clock.Now()
	return f.doubted
}

// heard takes note that the other end of a connection has said something. It is that of an API server which has run since before the last
// proof when the connection is that old.
func (f *Fence) heard(made time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.doubtful() && made.Before(f.proven) {
		f.prove(f.clock.Now())
	}
}

// wait tries again whenever a doubt may have ended, until a request passes or is refused, or its context ends.
func (f *Fence) wait(ctx context.Context, p *passage, settled <-chan struct{}, arrived time.Time) (err error) {
	defer f.waited(ctx, arrived)
	for settled != nil && err == nil {
		select {
		case <-settled:
			settled, err = f.try(p, arrived)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

// waited takes note of the end of a wait that began then.
func (f *Fence) waited(ctx context.Context, begun time.Time) {
	took := Elapsed(begun, f.clock.Now())
	waitSeconds.WithLabelValues().Observe(took.Seconds())
	if took > patience && f.tells() {
		log.FromContext(ctx).Info("Changes waited until it was certain that the host had not been restored: it had been connected to anew, and the "+
			"lease was not renewed for so long", "waited", took.String())
	}
}

// tells says whether it is time to tell of a long wait: once for all that wait together.
func (f *Fence) tells() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	if !f.told.IsZero() && Elapsed(f.told, now) < patience {
		return false
	}
	f.told = now
	return true
}

// The rest is for those who hold the lock.

// prove takes note that the host had not gone back at a time.
func (f *Fence) prove(at time.Time) {
	if at.After(f.proven) {
		f.proven = at
		f.settle()
	}
}

func (f *Fence) doubtful() bool { return !f.doubted.IsZero() && !f.proven.After(f.doubted) }

// settle lets those who wait look again.
func (f *Fence) settle() {
	if f.settled != nil {
		close(f.settled)
		f.settled = nil
	}
}
