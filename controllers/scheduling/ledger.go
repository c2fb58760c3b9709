package scheduling

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/internal/capacity"
)

// bookingLife bounds how long room is kept for replicas that a member never shows.
const bookingLife = 5 * time.Minute

// ledger books the room that decisions take, until the members' own tables show it: without it, decisions that
// follow each other quickly would all take the same room. It is safe for concurrent use.
type ledger struct {
	freed *freed

	mu       sync.Mutex
	accounts map[string]*account // by cluster
	// clusters are those where a binding has booked.
	clusters map[types.NamespacedName]map[string]bool
}

// account is one member's room.
type account struct {
	bookings map[types.NamespacedName]*booking
	shown    *capacity.Table // what the member shows; the bookings are not in it
	left     *capacity.Table // without the bookings; nil when it has to be made anew
	rooms    map[string]roomOf
	ends     time.Time // when the first booking ends
}

type roomOf struct {
	replicas int32
	shortage string
}

// claim is who takes room: a binding, whose replicas are of a class, and whose pods in members are those of a workload.
type claim struct {
	binding  types.NamespacedName
	class    *capacity.Class
	workload string
}

// booking is the room that one binding takes in one member and that the member does not show.
type booking struct {
	class    *capacity.Class
	workload string
	replicas int32
	decided  int32 // all replicas that the binding has there
	// told is true when the binding's report says that unshown are not there yet, and the member's summary was older.
	told    bool
	unshown int32
	ends    time.Time
}

func newLedger() *ledger {
	return &ledger{freed: newFreed(), accounts: map[string]*account{}, clusters: map[types.NamespacedName]map[string]bool{}}
}

func (l *ledger) account(cluster string) *account {
	a, known := l.accounts[cluster]
	if !known {
		a = &account{bookings: map[types.NamespacedName]*booking{}}
		l.accounts[cluster] = a
	}
	return a
}

// left is what a member shows as free, without what is booked there.
func (l *ledger) left(cluster string, shown *capacity.Table, now time.Time) *capacity.Table {
	a := l.account(cluster)
	ended := !a.ends.IsZero() && !now.Before(a.ends)
	if a.shown != shown || ended {
		l.settle(cluster, shown, now)
	}
	if a.left != nil {
		return a.left
	}
	a.left, a.rooms = shown, map[string]roomOf{}
	for _, b := range summed(a.bookings) {
		a.left, _ = a.left.Place(b.class, b.replicas)
	}
	return a.left
}

// settle ends what a new table shows, and what is over. Where a member's pods are watched they are the evidence, and are in the
// table that ends the booking; elsewhere the reports are, once a later summary has them: no room is taken twice.
func (l *ledger) settle(cluster string, shown *capacity.Table, now time.Time) {
	a := l.account(cluster)
	newer := a.shown != shown
	a.shown, a.left, a.ends = shown, nil, time.Time{}
	for binding, b := range a.bookings {
		if pods, known := shown.Pods(b.workload); known {
			b.replicas = min(b.replicas, b.decided-min(pods, b.decided))
		} else if b.told && newer {
			b.replicas = min(b.replicas, b.unshown)
		}
		if b.replicas > 0 && !now.Before(b.ends) {
			l.freed.note(cluster) // the member itself tells nobody of this room
		}
		if b.replicas <= 0 || !now.Before(b.ends) {
			l.drop(binding, cluster)
			continue
		}
		if a.ends.IsZero() || b.ends.Before(a.ends) {
			a.ends = b.ends
		}
	}
}

// summed adds up bookings by class: there are far fewer of these.
func summed(bookings map[types.NamespacedName]*booking) map[string]booking {
	sums := map[string]booking{}
	for _, b := range bookings {
		sums[b.class.Key()] = booking{class: b.class, replicas: sums[b.class.Key()].replicas + b.replicas}
	}
	return sums
}

// room is how many more replicas of a class a member has room for, beside what is booked, and what one more would lack.
func (l *ledger) room(cluster string, shown *capacity.Table, class *capacity.Class, now time.Time) (int32, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left(cluster, shown, now)
	a := l.account(cluster)
	known, found := a.rooms[class.Key()]
	if !found {
		known.replicas, known.shortage = left.Room(class, maxRoom)
		a.rooms[class.Key()] = known
	}
	return known.replicas, known.shortage
}

// sets is room for whole sets of parts.
func (l *ledger) sets(cluster string, shown *capacity.Table, parts []capacity.Part, now time.Time) (int32, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left(cluster, shown, now).Sets(parts, capacity.MaxSets)
}

// change is what a decision changes in one cluster.
type change struct {
	more    int32 // replicas more, or (negative) fewer, than before
	decided int32 // replicas after it
}

// book takes room for what a decision changes. It returns how to take that back.
func (l *ledger) book(c claim, changes map[string]change, now time.Time) (undo func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := map[string]*booking{}
	for cluster, change := range changes {
		old := l.account(cluster).bookings[c.binding]
		before[cluster] = old
		b := &booking{class: c.class, workload: c.workload, replicas: change.more, decided: change.decided, ends: now.Add(bookingLife)}
		if old != nil {
			b.replicas += old.replicas
		}
		l.set(c.binding, cluster, b)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for cluster, old := range before {
			l.set(c.binding, cluster, old)
		}
	}
}

// begin books what an earlier manager decided. What the members show of it ends with their tables.
func (l *ledger) begin(c claim, cluster string, unshown, decided int32, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(c.binding, cluster, &booking{class: c.class, workload: c.workload, replicas: unshown, decided: decided, ends: now.Add(bookingLife)})
}

// reported says that a binding's replicas in a cluster are reported but for so many. It is the evidence where pods are
// not watched, with the next summary, or cannot be told to be the binding's; elsewhere it says nothing that the pods did
// not say before.
func (l *ledger) reported(binding types.NamespacedName, cluster string, unshown int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(cluster)
	b := a.bookings[binding]
	if b == nil || unshown >= b.replicas {
		return
	}
	if a.shown != nil {
		pods, known := a.shown.Pods(b.workload)
		if !known {
			b.told, b.unshown = true, unshown // the summary that was last seen does not have them
		}
		if pods > 0 || !known {
			return
		}
	}
	smaller := *b
	smaller.replicas = unshown
	l.set(binding, cluster, &smaller)
}

// forget ends all bookings of a binding.
func (l *ledger) forget(binding types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cluster := range l.clusters[binding] {
		l.set(binding, cluster, nil)
	}
}

// forgetCluster drops a member that is gone.
func (l *ledger) forgetCluster(cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for binding := range l.account(cluster).bookings {
		l.drop(binding, cluster)
	}
	delete(l.accounts, cluster)
}

// set changes one booking, nil for none, and the account with it: room that is taken is placed at once, room that is
// given back is seen when the account is made anew.
func (l *ledger) set(binding types.NamespacedName, cluster string, b *booking) {
	a := l.account(cluster)
	old := a.bookings[binding]
	l.drop(binding, cluster)
	if b != nil && b.replicas > 0 {
		l.enter(binding, cluster, b)
	}
	more := b.size() - old.size()
	if more < 0 {
		l.freed.note(cluster)
	}
	switch {
	case a.left == nil || more == 0:
	case more > 0 && (old == nil || old.class.Key() == b.class.Key()):
		a.left, _ = a.left.Place(b.class, more)
		a.rooms = map[string]roomOf{}
	default:
		a.left = nil
	}
}

// size is how many replicas a booking is for; it may be nil.
func (b *booking) size() int32 {
	if b == nil {
		return 0
	}
	return max(b.replicas, 0)
}

// enter puts a booking into the books.
func (l *ledger) enter(binding types.NamespacedName, cluster string, b *booking) {
	a := l.account(cluster)
	a.bookings[binding] = b
	if l.clusters[binding] == nil {
		l.clusters[binding] = map[string]bool{}
	}
	l.clusters[binding][cluster] = true
	if a.ends.IsZero() || b.ends.Before(a.ends) {
		a.ends = b.ends
	}
}

// drop removes a booking from the books.
func (l *ledger) drop(binding types.NamespacedName, cluster string) {
	delete(l.account(cluster).bookings, binding)
	if clusters := l.clusters[binding]; clusters != nil {
		if delete(clusters, cluster); len(clusters) == 0 {
			delete(l.clusters, binding)
		}
	}
}
