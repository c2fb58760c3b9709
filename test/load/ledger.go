package load

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

// change is one change of one template, numbered from 1 on for as long as its name is used.
type change struct {
	sequence int
	// deletes says that the change was the end of the template.
	deletes bool
	// asked is when it was first tried, acked when the host acknowledged it; zero until then.
	asked, acked time.Time
	// held is when each member was first seen to hold it, or a later one.
	held map[string]time.Time
}

// entry is everything that is known about one name.
type entry struct {
	shape shape
	// busy while a change has not been acknowledged.
	busy bool
	// present is whether the last acknowledged change left a template, and wanted what it asks for.
	present bool
	wanted  verdict.Template
	changes []*change
	// unsure are creations of which nobody knows whether they arrived.
	unsure map[int]bool
}

// ledger knows what was asked, what was acknowledged, and when members held it. Its methods may be called from several goroutines.
type ledger struct {
	mu      sync.Mutex
	entries map[verdict.Key]*entry
	// arrivals are the moments at which any member was seen to hold something new.
	arrivals []time.Time
}

func newLedger() *ledger { return &ledger{entries: map[verdict.Key]*entry{}} }

// begin opens the next change of an entry.
func (l *ledger) begin(key verdict.Key, deletes bool, now time.Time) *change {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	c := &change{sequence: len(e.changes) + 1, deletes: deletes, asked: now, held: map[string]time.Time{}}
	e.changes = append(e.changes, c)
	e.busy = true
	return c
}

// acknowledge closes it. The template is what it asks for, ignored for a deletion.
func (l *ledger) acknowledge(key verdict.Key, c *change, wanted verdict.Template, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	c.acked = now
	e.busy, e.present, e.wanted = false, !c.deletes, wanted
}

// doubt notes that a creation may arrive late, after its template was deleted again.
func (l *ledger) doubt(key verdict.Key, c *change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[key].unsure[c.sequence] = true
}

func (l *ledger) doubted(key verdict.Key, sequence int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	return e != nil && e.unsure[sequence]
}

// hold notes that a member holds a sequence.
func (l *ledger) hold(member string, key verdict.Key, sequence int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[key]; e != nil {
		l.arrive(e, member, sequence, now)
	}
}

// release notes that a member holds nothing any more: it holds the last deletion that was asked for.
func (l *ledger) release(member string, key verdict.Key, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e == nil {
		return
	}
	for _, c := range slices.Backward(e.changes) {
		if c.deletes {
			l.arrive(e, member, c.sequence, now)
			return
		}
	}
}

// arrive counts for the earlier changes, too, down to a deletion: that, and what came before, was overtaken when the name is in use
// again.
func (l *ledger) arrive(e *entry, member string, sequence int, now time.Time) {
	news := false
	for _, c := range slices.Backward(e.changes) {
		if c.sequence > sequence {
			continue
		}
		if c.deletes && c.sequence < sequence {
			break
		}
		if _, already := c.held[member]; already {
			break
		}
		c.held[member], news = now, true
	}
	if news {
		l.arrivals = append(l.arrivals, now)
	}
}

// wanted are the templates that were acknowledged and not deleted.
func (l *ledger) wanted() map[verdict.Key]verdict.Template {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[verdict.Key]verdict.Template{}
	for key, e := range l.entries {
		if e.present {
			all[key] = e.wanted
		}
	}
	return all
}

// present is whether the last acknowledged change left a template.
func (l *ledger) present(key verdict.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[key].present
}

// idle are the names with or without a template that nobody is changing, in a fixed order.
func (l *ledger) idle(present bool) []verdict.Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []verdict.Key
	for key, e := range l.entries {
		if e.present == present && !e.busy {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, compareNames)
	return keys
}

// standing is the shape of an entry, and its last wanted state.
func (l *ledger) standing(key verdict.Key) (shape, verdict.Template) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	return e.shape, e.wanted
}

// enter adds a name that has no template yet.
func (l *ledger) enter(key verdict.Key, s shape) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[key] = &entry{shape: s, unsure: map[int]bool{}}
}

// count is how many templates there are or are about to be.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.entries {
		if e.present || e.busy {
			n++
		}
	}
	return n
}

// snapshot copies the changes that were asked for in a span, with where each of them has to arrive, and the arrivals.
func (l *ledger) snapshot(from, to time.Time) ([]observation, []time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var seen []observation
	for key, e := range l.entries {
		for _, c := range e.changes {
			if c.asked.Before(from) || c.asked.After(to) {
				continue
			}
			seen = append(seen, observation{key: key, asked: c.asked, acked: c.acked, held: maps.Clone(c.held), members: e.shape.reached()})
		}
	}
	var arrivals []time.Time
	for _, at := range l.arrivals {
		if !at.Before(from) && !at.After(to) {
			arrivals = append(arrivals, at)
		}
	}
	return seen, arrivals
}
