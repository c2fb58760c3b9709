package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/history"
)

// world is a host with a lease and bindings, managers whose clocks differ, and what they wrote to members.
type world struct {
	t   *testing.T
	now time.Time
	log []string

	lease    *coordinationv1.Lease // nil when there is none
	bindings map[int]bool
	// apiSkew is what the API servers' clock is ahead by.
	apiSkew time.Duration
	down    bool

	managers []*manager
	leader   *manager // nil while nobody leads
	started  int
	ids      int

	written map[int]*written
	backups []backup
}

// written is an object in a member.
type written struct {
	stamp string
	// surely says that the host has forgotten it, and that the lease alone shows that: the renewal is later than the backup.
	surely bool
}

type backup struct {
	lease    *coordinationv1.Lease // nil when there was none
	bindings map[int]bool
}

// manager is one, with what the elections would do. It is the client of the host, too, which may lose an answer.
type manager struct {
	coordinationclient.LeaseInterface // nil, for what nobody asks for
	world                             *world
	name                              string
	skew                              time.Duration
	journal                           *Journal
	lock                              coordinationclient.LeaseInterface
	loses                             bool
	ended                             bool
}

var errCutOff = errors.New("the host does not answer")

func newWorld(t *testing.T) *world {
	return &world{
		t: t, now: start, bindings: map[int]bool{}, written: map[int]*written{},
	}
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, w.now.Sub(start).String()+" "+fmt.Sprintf(format, args...))
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.log {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

// start runs a manager whose clock is wrong by skew.
func (w *world) start(skew time.Duration) *manager {
	w.started++
	m := &manager{world: w, name: fmt.Sprintf("manager-%d", w.started), skew: skew}
	m.journal = New(m, func() { m.ended = true })
	m.lock = m.journal.Leases(m).Leases(namespace)
	w.managers = append(w.managers, m)
	w.note("%s starts, %s ahead", m.name, skew)
	return m
}

func (m *manager) Now() time.Time                                  { return m.world.now.Add(m.skew) }
func (m *manager) Since(t time.Time) time.Duration                 { return m.Now().Sub(t) }
func (m *manager) Leases(string) coordinationclient.LeaseInterface { return m }

func (m *manager) Get(context.Context, string, metav1.GetOptions) (*coordinationv1.Lease, error) {
	w := m.world
	if w.down {
		return nil, errCutOff
	}
	m.journal.hear(w.now.Add(w.apiSkew).Truncate(time.Second))
	if w.lease == nil {
		return nil, apierrors.NewNotFound(coordinationv1.Resource("leases"), name)
	}
	return w.lease.DeepCopy(), nil
}

func (m *manager) Create(_ context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	m.world.lease = lease.DeepCopy()
	return lease, nil
}

func (m *manager) Update(_ context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	m.world.lease = lease.DeepCopy()
	if m.loses {
		return nil, errCutOff
	}
	return lease, nil
}

// look is what a stand-by does all the time. It ends when its host went back.
func (m *manager) look() {
	_, err := m.lock.Get(m.world.t.Context(), name, metav1.GetOptions{})
	if errors.Is(err, ErrWentBack) {
		m.world.note("%s: %v", m.name, err)
		m.world.end(m)
	}
}

func (w *world) end(m *manager) {
	m.ended = true
	w.managers = slices.DeleteFunc(w.managers, func(other *manager) bool { return other == m })
	if w.leader == m {
		w.leader = nil
	}
}

// write writes the lease as the elections do: for a holder, or for nobody.
func (m *manager) write(holder string, took int32) error {
	ctx := m.world.t.Context()
	got, err := m.lock.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = m.lock.Create(ctx, lease(holder, 0, m.Now().Sub(start)), metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	got.Spec = lease(holder, *got.Spec.LeaseTransitions+took, m.Now().Sub(start)).Spec
	_, err = m.lock.Update(ctx, got, metav1.UpdateOptions{})
	return err
}

// takeOver makes a manager the leader. It must not be told that the host went back but when it is so.
func (w *world) takeOver(m *manager) {
	w.t.Helper()
	switch err := m.write(m.name, 1); {
	case errors.Is(err, ErrWentBack):
		w.note("%s: %v", m.name, err)
		w.end(m)
	case err != nil:
		w.failf("%s takes over: %v", m.name, err)
	default:
		w.leader = m
		w.note("%s has taken over, renewed at %s, gaps %s", m.name, m.journal.Renewed().Sub(start), m.journal.Gaps())
		w.check()
	}
}

func (w *world) renew(loses bool) {
	w.t.Helper()
	m := w.leader
	m.loses = loses
	err := m.write(m.name, 0)
	m.loses = false
	if err != nil && !loses {
		w.failf("%s renews: %v", m.name, err)
	}
	w.note("%s has renewed, knows of %s", m.name, m.journal.Renewed().Sub(start))
}

func (w *world) handOver() {
	w.t.Helper()
	if err := w.leader.write("", 0); err != nil {
		w.failf("%s gives the lease back: %v", w.leader.name, err)
	}
	w.note("%s has given the lease back", w.leader.name)
	w.end(w.leader)
}

// propagate makes a new binding, and lets the leader write its object.
func (w *world) propagate() int {
	w.ids++
	id := w.ids
	w.bindings[id] = true
	stamp := history.Stamp{At: w.leader.journal.Renewed(), Version: history.Version{Binding: 1}, Era: w.leader.journal.Gaps().Era()}
	w.written[id] = &written{stamp: stamp.String()}
	w.note("%s has written %d: %s", w.leader.name, id, stamp)
	return id
}

// pass lets time go by, in which stand-bys look at the lease; some of their looks fail.
func (w *world) pass(d time.Duration, fails func() bool) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(300 * time.Millisecond)
		for _, m := range slices.Clone(w.managers) {
			if m == w.leader {
				continue
			}
			if fails != nil && fails() {
				m.journal.Blink()
				continue
			}
			m.look()
		}
	}
}

func (w *world) backup() {
	w.backups = append(w.backups, backup{w.lease.DeepCopy(), maps.Clone(w.bindings)})
	w.note("backup %d", len(w.backups)-1)
}

// restore takes a while, in which no leader can renew its lease, and ends with a host as it was. Stand-bys see that it is down, or
// are suspended meanwhile.
func (w *world) restore(n int, takes time.Duration, suspended bool) {
	w.note("the host goes down, stand-bys are suspended: %v", suspended)
	if w.leader != nil {
		w.end(w.leader)
	}
	if suspended {
		w.now = w.now.Add(takes)
	} else {
		w.down = true
		w.pass(takes, nil)
		w.down = false
	}
	b := w.backups[n]
	w.lease = b.lease.DeepCopy()
	w.bindings = maps.Clone(b.bindings)
	for id, object := range w.written {
		stamp, _ := history.ParseStamp(object.stamp)
		object.surely = !w.bindings[id] && b.lease != nil && stamp.At.After(b.lease.Spec.RenewTime.Time)
	}
	w.note("backup %d is restored", n)
}

// endGaps says that what the host holds is right.
func (w *world) endGaps() {
	delete(w.lease.Annotations, v1alpha1.GapsAnnotation)
	maps.DeleteFunc(w.written, func(id int, _ *written) bool { return !w.bindings[id] })
	w.note("the gaps are ended")
	w.renew(false)
}

// check asks the leader about every object in members: it must have forgotten what the host has no binding of, and nothing else.
func (w *world) check() {
	w.t.Helper()
	for id, object := range w.written {
		stamp, ok := history.ParseStamp(object.stamp)
		if !ok {
			w.failf("%q is no stamp", object.stamp)
		}
		version := history.Version{}
		if w.bindings[id] || object.surely { // then it is told without asking for versions
			version = stamp.Version
		}
		if _, lost := w.leader.journal.Gaps().Lost(stamp, version); lost != !w.bindings[id] {
			w.failf("%d, written at %s: forgotten %v, but the host has its binding: %v", id, stamp, lost, w.bindings[id])
		}
	}
}
