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
	mu       sync.Mutex
	freed    *freed
	accounts map[string]*account                          // by cluster
	bookings map[types.NamespacedName]map[string]*booking // by binding and cluster
}

// account is one member's room.
type account struct {
	shown *capacity.Table // what the member shows; the bookings are not in it
	left  *capacity.Table // without the bookings; nil when it has to be made anew
	rooms map[string]roomOf
	// booked adds up the bookings of each class.
	booked map[string]*bookedClass
	// ends is when the next booking ends.
	ends time.Time
}

type roomOf struct {
	replicas int32
	shortage string
}

type bookedClass struct {
	class    *capacity.Class
	replicas int32
}

// booking is the room that one decision takes in one member.
type booking struct {
	class    *capacity.Class
	replicas int32
	ends     time.Time
}

func newLedger() *ledger {
	return &ledger{freed: newFreed(), accounts: map[string]*account{}, bookings: map[types.NamespacedName]map[string]*booking{}}
}

func (l *ledger) account(cluster string) *account {
	a, known := l.accounts[cluster]
	if !known {
		a = &account{booked: map[string]*bookedClass{}}
		l.accounts[cluster] = a
	}
	return a
}

// left is what a member shows as free, without what is booked there.
func (l *ledger) left(cluster string, shown *capacity.Table, now time.Time) *capacity.Table {
	a := l.account(cluster)
	if !a.ends.IsZero() && !now.Before(a.ends) {
		l.expire(cluster, now)
	}
	if a.left != nil && a.shown == shown {
		return a.left
	}
	a.shown, a.left, a.rooms = shown, shown, map[string]roomOf{}
	for _, b := range a.booked {
		a.left, _ = a.left.Place(b.class, b.replicas)
	}
	return a.left
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
	return l.left(cluster, shown, now).Sets(parts, maxSets)
}

// book takes room for the replicas that a decision gives to clusters, more (or, negative, fewer) than before. It
// returns how to take that back.
func (l *ledger) book(binding types.NamespacedName, class *capacity.Class, more map[string]int32, now time.Time) (undo func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := map[string]int32{}
	for cluster, replicas := range more {
		before[cluster] = l.booked(binding, cluster)
		l.set(binding, cluster, class, max(before[cluster]+replicas, 0), now)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for cluster, replicas := range before {
			l.set(binding, cluster, class, replicas, now)
		}
	}
}

// unshown says that so many of a binding's replicas in a cluster are not shown by the member. Bookings only become
// smaller by it; begin books that many, for decisions of an earlier manager.
func (l *ledger) unshown(binding types.NamespacedName, cluster string, class *capacity.Class, replicas int32, begin bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if booked := l.booked(binding, cluster); replicas < booked || begin {
		l.set(binding, cluster, class, replicas, now)
	}
}

// forget ends all bookings of a binding.
func (l *ledger) forget(binding types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cluster, b := range l.bookings[binding] {
		l.set(binding, cluster, b.class, 0, time.Time{})
	}
}

// forgetCluster drops a member that is gone.
func (l *ledger) forgetCluster(cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.accounts, cluster)
	for binding, clusters := range l.bookings {
		delete(clusters, cluster)
		if len(clusters) == 0 {
			delete(l.bookings, binding)
		}
	}
}

func (l *ledger) booked(binding types.NamespacedName, cluster string) int32 {
	if b := l.bookings[binding][cluster]; b != nil {
		return b.replicas
	}
	return 0
}

// set changes one booking, and the account with it: room that is taken is placed at once, room that is given back is
// seen when the account is made anew.
func (l *ledger) set(binding types.NamespacedName, cluster string, class *capacity.Class, replicas int32, now time.Time) {
	a := l.account(cluster)
	old := l.bookings[binding][cluster]
	if old != nil {
		l.add(a, old.class, -old.replicas)
		delete(l.bookings[binding], cluster)
	}
	if replicas > 0 {
		l.add(a, class, replicas)
		if l.bookings[binding] == nil {
			l.bookings[binding] = map[string]*booking{}
		}
		ends := now.Add(bookingLife)
		if old != nil && replicas <= old.replicas {
			ends = old.ends // what is left of a booking ends when it would have
		}
		l.bookings[binding][cluster] = &booking{class: class, replicas: replicas, ends: ends}
		if a.ends.IsZero() || ends.Before(a.ends) {
			a.ends = ends
		}
	}
	if len(l.bookings[binding]) == 0 {
		delete(l.bookings, binding)
	}
	more := replicas
	if old != nil {
		more -= old.replicas
	}
	if more < 0 {
		l.freed.note(cluster)
	}
	switch {
	case a.left == nil || more == 0:
	case more > 0 && (old == nil || old.class.Key() == class.Key()):
		a.left, _ = a.left.Place(class, more)
		a.rooms = map[string]roomOf{}
	default:
		a.left = nil
	}
}

func (l *ledger) add(a *account, class *capacity.Class, replicas int32) {
	b := a.booked[class.Key()]
	if b == nil {
		b = &bookedClass{class: class}
		a.booked[class.Key()] = b
	}
	if b.replicas += replicas; b.replicas <= 0 {
		delete(a.booked, class.Key())
	}
}

// expire ends the bookings of a cluster whose time is over.
func (l *ledger) expire(cluster string, now time.Time) {
	a := l.account(cluster)
	a.ends = time.Time{}
	for binding, clusters := range l.bookings {
		b := clusters[cluster]
		switch {
		case b == nil:
		case !now.Before(b.ends):
			l.set(binding, cluster, b.class, 0, now)
		case a.ends.IsZero() || b.ends.Before(a.ends):
			a.ends = b.ends
		}
	}
}
