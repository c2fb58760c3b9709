package journal

import (
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/history"
)

// ErrWentBack says that the lease is older than it was: the host's etcd was restored from a backup, or the lease was deleted.
var ErrWentBack = errors.New("the host went back in time: its etcd was restored from a backup, or the lease was deleted")

// Journal is what a manager knows of the lease. It is safe for concurrent use.
type Journal struct {
	clock    clock.PassiveClock
	wentBack func()

	mu      sync.Mutex
	last    *entry // the lease as it was read or written last; nil before the first time
	renewed time.Time
	gaps    history.Gaps
	broken  bool
	// told is the latest time that an API server has told.
	told time.Time
	// vigil is kept by looking at the lease; looked is when the last look that succeeded was sent.
	vigil  history.Vigil
	looked time.Time
}

// entry is what of a lease must only go forward.
type entry struct {
	holder      string
	transitions int32
	renewed     time.Time
}

// New makes a journal that calls wentBack, once, when the host went back in time: before the request that showed it returns, so it must
// neither wait nor call the journal.
func New(c clock.PassiveClock, wentBack func()) *Journal {
	return &Journal{clock: c, wentBack: wentBack}
}

// Renewed is when this manager renewed the lease last, in the words of the lease; zero for one that never led.
func (j *Journal) Renewed() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.renewed
}

// Gaps are the times of which the host remembers nothing.
func (j *Journal) Gaps() history.Gaps {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gaps
}

// Err is ErrWentBack when the host went back in time.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken {
		return ErrWentBack
	}
	return nil
}

// read takes note of the lease as the host has it, which was asked for then.
func (j *Journal) read(lease *coordinationv1.Lease, sent time.Time) error {
	gaps, err := history.ParseGaps(lease.Annotations[v1alpha1.GapsAnnotation])
	if err != nil {
		return fmt.Errorf("reading the lease's annotation %s, which may be removed: %w", v1alpha1.GapsAnnotation, err)
	}
	now := entryOf(lease)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last != nil && now.before(*j.last) {
		return j.breakOff()
	}
	j.vigil = j.vigil.Look(now.renewed, fence.Elapsed(j.looked, j.clock.Now()))
	j.last, j.gaps, j.looked = &now, gaps, sent
	return nil
}

// Blink takes note that something may have been missed: a look at the lease failed, or the host is reached by another connection.
func (j *Journal) Blink() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.vigil = history.Vigil{}
}

// hear takes note of what an API server's clock says.
func (j *Journal) hear(told time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if told.After(j.told) {
		j.told = told
	}
}

// missing takes note that the host has no lease. A manager that has led must not make a new one: what was lost may be more.
func (j *Journal) missing() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last == nil {
		return nil
	}
	return j.breakOff()
}

// breakOff is for those who hold the lock.
func (j *Journal) breakOff() error {
	if !j.broken {
		j.broken = true
		j.wentBack()
	}
	return ErrWentBack
}

// marked is the lease that a manager writes, with the time of the renewal and the gaps that it must have.
func (j *Journal) marked(lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken {
		return nil, ErrWentBack
	}
	lease = lease.DeepCopy()
	now := entryOf(lease)
	now.renewed = j.next(now.renewed)
	lease.Spec.RenewTime = &metav1.MicroTime{Time: now.renewed}
	gaps := j.gaps
	if opens, from := j.opens(now.holder); opens {
		gaps = gaps.With(history.Gap{From: from, To: now.renewed, Era: history.Era(now.holder)})
	}
	if len(gaps) == 0 {
		delete(lease.Annotations, v1alpha1.GapsAnnotation)
	} else {
		metav1.SetMetaDataAnnotation(&lease.ObjectMeta, v1alpha1.GapsAnnotation, gaps.String())
	}
	return lease, nil
}

// next, and opens, are for those who hold the lock. The API servers' clocks count, too, because what users asked is dated by them.
func (j *Journal) next(own time.Time) time.Time {
	seen := []time.Time{j.told}
	if j.last != nil {
		seen = append(seen, j.last.renewed)
	}
	if n := len(j.gaps); n > 0 {
		seen = append(seen, j.gaps[n-1].To)
	}
	return history.Next(own, seen...)
}

// opens says whether there is a gap before a renewal, and since when.
func (j *Journal) opens(holder string) (bool, time.Time) {
	switch {
	case j.last == nil:
		return true, time.Time{}
	case holder == "" || holder == j.last.holder:
		return false, time.Time{}
	}
	return !j.vigil.Saw(j.last.renewed, fence.Elapsed(j.looked, j.clock.Now())), j.last.renewed
}

// wrote takes note of the lease as the host answered to a write.
func (j *Journal) wrote(lease *coordinationv1.Lease) error {
	gaps, err := history.ParseGaps(lease.Annotations[v1alpha1.GapsAnnotation])
	if err != nil {
		return fmt.Errorf("reading the lease that was written: %w", err)
	}
	now := entryOf(lease)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last, j.gaps, j.renewed, j.vigil = &now, gaps, now.renewed, history.Vigil{}
	return nil
}

func entryOf(lease *coordinationv1.Lease) entry {
	e := entry{holder: ptr.Deref(lease.Spec.HolderIdentity, ""), transitions: ptr.Deref(lease.Spec.LeaseTransitions, 0)}
	if lease.Spec.RenewTime != nil {
		e.renewed = lease.Spec.RenewTime.UTC().Truncate(time.Microsecond) // more the host does not keep
	}
	return e
}

// before says whether the lease was so before it was as then. Each holder counts itself in the transitions, and the time goes forward
// from holder to holder.
func (e entry) before(then entry) bool {
	if e.transitions == then.transitions && e.holder != then.holder && e.holder != "" {
		return true // who gave the lease back does not take it again under the same number
	}
	return e.transitions < then.transitions || e.renewed.Before(then.renewed)
}
