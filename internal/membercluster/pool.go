package membercluster

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

// Connection is how to reach a member.
type Connection struct {
	// Config of the member's API server.
	Config *rest.Config
	// Via describes the proxy on the way there, which cannot be told from Config: another text connects anew.
	Via string
}

// Pool holds the connections to the members. Connecting never dials: a member that does not answer keeps
// nobody waiting but its own workers. It is safe for concurrent use.
type Pool struct {
	observer  observer
	listeners []func(ctx context.Context, m *Member)

	mu      sync.RWMutex
	ctx     context.Context // set by Start: the life of every connection
	members map[string]*pooled
	running sync.WaitGroup
}

type pooled struct {
	member     *Member
	connection Connection
	cancel     context.CancelFunc
}

// NewPool makes an empty pool for the host with this UID.
func NewPool(hostUID string, i *interpreter.Interpreter) *Pool {
	return &Pool{observer: observer{hostUID: hostUID, interpreter: i}, members: map[string]*pooled{}}
}

// OnConnect calls f for each new connection, before its watches start; its context ends with the
// connection. f must not block. Register before Start.
func (p *Pool) OnConnect(f func(ctx context.Context, m *Member)) {
	p.listeners = append(p.listeners, f)
}

// Start lets connections live until ctx ends, then waits for them to stop.
func (p *Pool) Start(ctx context.Context) error {
	p.mu.Lock()
	p.ctx = ctx
	for _, entry := range p.members {
		p.launch(entry)
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.running.Wait()
	return nil
}

// NeedLeaderElection makes the manager connect to members only while it leads.
func (p *Pool) NeedLeaderElection() bool { return true }

// Connect makes sure that a member is connected as described. A new token alone is taken over without
// interrupting anything; any other change connects anew.
func (p *Pool) Connect(name string, connection Connection) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.members[name]; ok {
		if sameButToken(known.connection, connection) {
			token := connection.Config.BearerToken
			known.member.token.Store(&token)
			return nil
		}
		known.cancel()
		delete(p.members, name)
	}
	member, err := newMember(name, connection.Config, p.observer)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", name, err)
	}
	connection.Config = rest.CopyConfig(connection.Config)
	entry := &pooled{member: member, connection: connection, cancel: func() {}}
	p.members[name] = entry
	if p.ctx != nil {
		p.launch(entry)
	}
	return nil
}

// Disconnect ends the connection to a member.
func (p *Pool) Disconnect(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.members[name]; ok {
		known.cancel()
		delete(p.members, name)
	}
}

// Member finds the connection to a member.
func (p *Pool) Member(name string) (*Member, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	known, ok := p.members[name]
	if !ok {
		return nil, false
	}
	return known.member, true
}

// launch starts a connection; the caller holds the lock and has set ctx.
func (p *Pool) launch(entry *pooled) {
	ctx, cancel := context.WithCancel(p.ctx)
	entry.cancel = cancel
	for _, f := range p.listeners {
		f(ctx, entry.member)
	}
	p.running.Go(func() { _ = entry.member.Objects.Start(ctx) })
}

// sameButToken compares what makes a connection, but for a bearer token that may be renewed.
func sameButToken(known, wanted Connection) bool {
	a, b := known.Config, wanted.Config
	return known.Via == wanted.Via && (a.BearerToken == "") == (b.BearerToken == "") &&
		a.Host == b.Host && a.APIPath == b.APIPath && a.Username == b.Username && a.Password == b.Password &&
		reflect.DeepEqual(a.TLSClientConfig, b.TLSClientConfig) && reflect.DeepEqual(a.Impersonate, b.Impersonate)
}
