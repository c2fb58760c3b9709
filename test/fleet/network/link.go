package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// chunkBytes is the most that is forwarded at once.
	chunkBytes = 32 << 10
	// queuedChunks bounds what one direction of one connection holds back (32 KiB each, 8 MiB together), after which the
	// sender feels it, as it would feel a full window.
	queuedChunks = 256
)

// Link is one forwarded address.
type Link struct {
	// Name is that of whoever is reached or reaches through it: member1, host, manager-0.
	Name string `json:"name"`
	// Listen is the address that clients use.
	Listen string `json:"listen"`
	// Upstream is the address behind it.
	Upstream string `json:"upstream"`
	// Groups are other names that stand for this link, and perhaps for more: host, host-balancer.
	Groups []string `json:"groups,omitempty"`
}

// Called says whether a name stands for the link, alone or with others.
func (l Link) Called(name string) bool { return l.Name == name || slices.Contains(l.Groups, name) }

// Faults is what is wrong with a link. The zero value is a healthy one.
type Faults struct {
	// Cut holds back every byte in both directions.
	Cut bool `json:"cut,omitempty"`
	// Latency is added to each answer.
	Latency time.Duration `json:"latency,omitempty"`
}

// gate is the state of a link that its connections wait for.
type gate struct {
	mu     sync.Mutex
	faults Faults
	// open is closed while bytes may pass.
	open chan struct{}
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) set(faults Faults) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case faults.Cut && !g.faults.Cut:
		g.open = make(chan struct{})
	case !faults.Cut && g.faults.Cut:
		close(g.open)
	}
	g.faults = faults
}

func (g *gate) get() (Faults, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults, g.open
}

// pass returns when a byte that arrived at that time may go on, or false when ctx ends first.
func (g *gate) pass(ctx context.Context, arrived time.Time, delayed bool) bool {
	for {
		faults, open := g.get()
		var due <-chan time.Time
		if rest := time.Until(arrived.Add(faults.Latency)); delayed && rest > 0 {
			due = time.After(rest)
		}
		if due != nil {
			select {
			case <-due:
			case <-ctx.Done():
				return false
			}
		}
		select {
		case <-open:
		case <-ctx.Done():
			return false
		}
		// The link may have been cut while the byte was on its way.
		if faults, _ := g.get(); !faults.Cut {
			return true
		}
	}
}

// serve forwards connections until the listener closes.
func (g *gate) serve(ctx context.Context, listener net.Listener, upstream string) error {
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a connection: %w", err)
		}
		go g.forward(ctx, client, upstream)
	}
}

// forward joins one client to the upstream until both directions have ended. A refused upstream is a closed
// connection for the client, once the link lets it know.
func (g *gate) forward(ctx context.Context, client net.Conn, upstream string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { _ = client.Close() }()
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", upstream)
	if err != nil {
		g.pass(ctx, time.Now(), true)
		return
	}
	defer func() { _ = server.Close() }()
	// Closing both ends unblocks the reads when the proxy stops.
	defer context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })()

	var directions sync.WaitGroup
	directions.Go(func() { g.pump(ctx, server, client, false) })
	directions.Go(func() { g.pump(ctx, client, server, true) })
	directions.Wait()
}

// chunk is what one read returned, and when.
type chunk struct {
	data    []byte
	arrived time.Time
}

// pump copies one direction, then passes the end of the stream on.
func (g *gate) pump(ctx context.Context, to, from net.Conn, delayed bool) {
	queue := make(chan chunk, queuedChunks)
	go func() {
		defer close(queue)
		for {
			buffer := make([]byte, chunkBytes)
			n, err := from.Read(buffer)
			if n > 0 {
				select {
				case queue <- chunk{buffer[:n], time.Now()}:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range queue {
		if !g.pass(ctx, c.arrived, delayed) {
			return
		}
		if _, err := to.Write(c.data); err != nil {
			_ = from.Close()
			return
		}
	}
	if g.pass(ctx, time.Now(), delayed) {
		closeWrite(to)
	}
}

// closeWrite ends one direction and leaves the other.
func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = conn.(io.Closer).Close()
}
