package journal

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// clocks are those of two managers, the first of which leads first.
var clocks = map[string]struct{ first, second time.Duration }{
	"clocks that agree":                  {0, 0},
	"the first one is ahead":             {time.Minute, 0},
	"the first one is behind":            {-time.Minute, 0},
	"the second one is ahead":            {0, time.Minute},
	"the second one is behind":           {0, -time.Minute},
	"the first ahead, the second behind": {time.Minute, -time.Minute},
	"the first behind, the second ahead": {-time.Minute, time.Minute},
}

// serve lets the leader write something and renew its lease, several times.
func (w *world) serve(times int) {
	for range times {
		w.propagate()
		w.pass(2*time.Second, nil)
		w.renew(false)
	}
}

func (w *world) dies() {
	w.end(w.leader)
	w.pass(15*time.Second, nil)
}

// TestWhatIsWrittenAfterABackupIsForgotten has a first manager that writes until shortly before the second one leads, as its clock has it.
func TestWhatIsWrittenAfterABackupIsForgotten(t *testing.T) {
	for name, tc := range clocks {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.takeOver(w.start(tc.first))
			w.serve(3)
			w.backup()
			w.serve(10)
			w.restore(0, 10*time.Second, false)
			w.takeOver(w.start(tc.second))
			for range 100 { // also when its clock has come to where the first one's was
				w.pass(2*time.Second, nil)
				w.renew(false)
				w.check()
			}
			w.serve(3)
			w.check()
			if n := len(w.written); n != 16 {
				t.Errorf("%d objects were written, want 16", n)
			}
		})
	}
}

// TestWhatIsWrittenIsRememberedWhenNothingWasRestored has a manager that dies, one that takes over, and soon a third one whose clock is as the first
// one's.
func TestWhatIsWrittenIsRememberedWhenNothingWasRestored(t *testing.T) {
	for name, tc := range clocks {
		for _, watched := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				next := func(skew time.Duration, after func()) {
					var m *manager
					if watched {
						m = w.start(skew)
						w.serve(2)
					}
					after()
					if !watched {
						m = w.start(skew)
					}
					w.takeOver(m)
					w.serve(5)
					w.check()
				}
				w.takeOver(w.start(tc.first))
				w.serve(3)
				next(tc.second, w.dies)
				next(tc.first, w.handOver)
				want := 3 // since the lease was made, since the death, since the hand-over
				if watched {
					want = 1
				}
				if gaps := w.leader.journal.Gaps(); len(gaps) != want {
					w.failf("gaps %s, want %d", gaps, want)
				}
			})
		}
	}
}

// TestWhatWasAskedBeforeABackupIsNoOrder has users who ask before and after, dated by an API server.
func TestWhatWasAskedBeforeABackupIsNoOrder(t *testing.T) {
	for name, tc := range clocks {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.takeOver(w.start(tc.first))
			w.serve(5)
			backedUp := w.now
			w.backup()
			w.restore(0, 10*time.Second, false)
			w.takeOver(w.start(tc.second))
			gaps := w.leader.journal.Gaps()
			gap := gaps[len(gaps)-1]
			if gap.Ordered(backedUp) {
				t.Errorf("what was asked at %s, before a backup, is an order after %v", backedUp, gap)
			}
			if later := w.now.Add(2 * time.Minute); !gap.Ordered(later) {
				t.Errorf("what is asked at %s, two minutes after the restoration, is no order after %v", later, gap)
			}
		})
	}
}

// TestWhateverHappensTheHostKnowsWhatItHasForgotten lets managers with clocks that differ, deaths, hand-overs, backups, restorations and lost
// answers follow each other at random. What a holder wrote is remembered as long as the backup with it was not replaced by an older one; what
// was written after a backup, and is behind what was restored, never is.
func TestWhateverHappensTheHostKnowsWhatItHasForgotten(t *testing.T) {
	const worlds, events = 1500, 40
	happened := map[string]int{}
	for seed := range uint64(worlds) {
		dice := rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t)
		w.note("seed %d", seed)
		w.apiSkew = skew(dice)
		w.backup()
		for range events {
			happened[w.random(dice)]++
			if w.leader != nil {
				w.check()
			}
		}
	}
	t.Logf("what happened: %v", happened)
	for _, event := range []string{"renewal", "lost answer", "write", "backup", "death", "hand-over", "restoration", "end of gaps", "gap", "no gap"} {
		if happened[event] < worlds/10 {
			t.Errorf("%s happened %d times only", event, happened[event])
		}
	}
}

// skew is up to a minute in either direction; often there is none.
func skew(dice *rand.Rand) time.Duration {
	if dice.IntN(3) == 0 {
		return 0
	}
	return time.Duration(dice.Int64N(int64(2*time.Minute))) - time.Minute
}

// random lets something happen, and says what.
func (w *world) random(dice *rand.Rand) string {
	if w.leader == nil {
		return w.somebodyLeads(dice)
	}
	w.pass(time.Duration(dice.Int64N(int64(3*time.Second))), func() bool { return dice.IntN(100) == 0 })
	switch n := dice.IntN(100); {
	case n < 25:
		w.renew(false)
		return "renewal"
	case n < 30:
		w.renew(true)
		return "lost answer"
	case n < 65:
		w.propagate()
		return "write"
	case n < 75:
		w.backup()
		return "backup"
	case n < 79:
		w.note("%s dies", w.leader.name)
		w.end(w.leader)
		return "death"
	case n < 85:
		w.handOver()
		return "hand-over"
	case n < 92:
		w.restore(dice.IntN(len(w.backups)), 3*time.Second+time.Duration(dice.Int64N(int64(3*time.Minute))), dice.IntN(3) == 0)
		return "restoration"
	case n < 94:
		w.endGaps()
		return "end of gaps"
	case n < 97 && len(w.managers) > 1:
		w.end(w.managers[dice.IntN(len(w.managers))])
		return "an end"
	case n < 99:
		w.start(skew(dice))
		return "start"
	}
	w.leader.skew = skew(dice)
	w.note("the clock of %s is set, it is %s ahead", w.leader.name, w.leader.skew)
	return "clock"
}

func (w *world) somebodyLeads(dice *rand.Rand) string {
	for len(w.managers) < 1+dice.IntN(3) {
		w.start(skew(dice))
	}
	before := w.lease.DeepCopy()
	if before != nil && *before.Spec.HolderIdentity != "" {
		w.pass(15*time.Second, func() bool { return dice.IntN(500) == 0 })
	}
	w.pass(time.Duration(dice.Int64N(int64(time.Second))), nil)
	if len(w.managers) == 0 {
		return "nobody is left"
	}
	m := w.managers[dice.IntN(len(w.managers))]
	w.takeOver(m)
	switch {
	case w.leader == nil:
		return "went back"
	case before != nil && m.journal.Gaps().String() == before.Annotations[v1alpha1.GapsAnnotation]:
		return "no gap"
	}
	return "gap"
}
