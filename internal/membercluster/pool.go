package membercluster

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

// Connection is how to reach a member.
type Connection struct {
	// Config of the member's API server.
	Config *rest.Config
	// Via describes the proxy on the way there, which cannot be told from Config: another text connects anew.
	Via string
	// Nodes asks for the member's nodes and pods to be watched, so that its room is known.
	Nodes bool
}

// Pool holds the connections to the members. Connecting never dials: a member that does not answer keeps
// nobody waiting but its own workers. It is safe for concurrent use.
type Pool struct {
	observer  observer
	listeners []func(ctx context.Context, m *Member)
	onRoom    []func(cluster string)
	onServed  []func(cluster string)

	mu      sync.RWMutex
	ctx     context.Context // set by Start: the life of every connection
	members map[string]*pooled
	running sync.WaitGroup
}

type pooled struct {
	member     *Member
	connection Connection
	ctx        context.Context // the connection's life, once it is launched
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

// OnRoom calls f when a member may have more room than before: a node came, a pod went, or all has been seen for the
// first time. f must not block. Register before Start.
func (p *Pool) OnRoom(f func(cluster string)) { p.onRoom = append(p.onRoom, f) }

// OnServed calls f when a member serves a kind that is watched and that it did not serve before, as after a
// CustomResourceDefinition came. f must not block. Register before Start.
func (p *Pool) OnServed(f func(cluster string)) { p.onServed = append(p.onServed, f) }

// Table is what is free in a member; false when that is not watched, or not all of it has been seen.
func (p *Pool) Table(name string) (*capacity.Table, bool) {
	member, ok := p.Member(name)
	if !ok {
		return nil, false
	}
	table := member.Load.Table()
	return table, table != nil
}

// Start lets connections live until ctx ends, then waits for them to stop.
func (p *Pool) Start(ctx context.Context) error {
	p.mu.Lock()
	p.ctx = ctx
	var errs []error
	for _, entry := range p.members {
		p.launch(entry)
		errs = append(errs, p.load(entry))
	}
	p.mu.Unlock()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("watching the load of the members: %w", err)
	}
	<-ctx.Done()
	p.running.Wait()
	return nil
}

// NeedLeaderElection lets stand-bys keep connections too, so that the one that takes over knows what members hold. Nothing
// is written through them before it leads.
func (p *Pool) NeedLeaderElection() bool { return false }

// Connect makes sure that a member is connected as described. A new token alone is taken over without
// interrupting anything; any other change connects anew.
func (p *Pool) Connect(name string, connection Connection) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.members[name]; ok {
		if sameButToken(known.connection, connection) {
			token := connection.Config.BearerToken
			known.member.token.Store(&token)
			known.connection.Nodes = connection.Nodes
			return p.load(known)
		}
		known.cancel()
		delete(p.members, name)
	}
	member, err := newMember(name, connection.Config, p.observer)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", name, err)
	}
	connection.Config = rest.CopyConfig(connection.Config)
	member.Load.onTable = func(grew bool) {
		if !grew {
			return
		}
		for _, f := range p.onRoom {
			f(name)
		}
	}
	member.onServed = func() {
		for _, f := range p.onServed {
			f(name)
		}
	}
	entry := &pooled{member: member, connection: connection, cancel: func() {}}
	p.members[name] = entry
	if p.ctx == nil {
		return nil
	}
	p.launch(entry)
	return p.load(entry)
}

// load watches the load of a member that is launched, or stops to; the caller holds the lock.
func (p *Pool) load(entry *pooled) error {
	switch {
	case entry.ctx == nil:
		return nil
	case entry.connection.Nodes:
		return entry.member.Load.watch(entry.ctx)
	default:
		entry.member.Load.unwatch()
		return nil
	}
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

// Renew reads the objects of some kinds anew from every member, because what is made of them has changed.
func (p *Pool) Renew(concerns func(schema.GroupVersionKind) bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, entry := range p.members {
		for _, gvk := range entry.member.Objects.Kinds() {
			if concerns(gvk) {
				entry.member.Objects.Renew(gvk)
			}
		}
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

// Ready asks a member how many replicas of a binding's object are ready: all of them or none for a kind that does not count
// them, and 1 or 0 for a kind without replicas; found is false when the member has no object of this host and this binding.
func (p *Pool) Ready(ctx context.Context, cluster string, kind schema.GroupVersionKind, object, binding types.NamespacedName) (ready int32, found bool, err error) {
	member, connected := p.Member(cluster)
	if !connected {
		return 0, false, fmt.Errorf("asking %s what is ready: it is not connected", cluster)
	}
	observed, err := member.Read(ctx, kind, object)
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("asking %s what is ready: %w", cluster, err)
	case observed == nil || observed.Live.Deleting || !observed.Live.Ours || observed.Live.Binding != binding.String():
		return 0, false, nil
	case observed.Counted:
		return observed.Ready, true, nil
	case observed.Health == v1alpha1.Healthy:
		return 1, true, nil
	}
	return 0, true, nil
}

// launch starts a connection; the caller holds the lock and has set ctx.
func (p *Pool) launch(entry *pooled) {
	ctx, cancel := context.WithCancel(p.ctx)
	entry.ctx, entry.cancel = ctx, cancel
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
