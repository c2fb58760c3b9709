package journal

import (
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/history"
)

// ErrWentBack says that the lease is older than it was: the host's etcd was restored from a backup, or the lease was deleted.
var ErrWentBack = errors.New("the host went back in time: its etcd was restored from a backup, or the lease was deleted")

// Journal is what a manager knows of the lease. It is safe for concurrent use.
type Journal struct {
	wentBack func()

	mu      sync.Mutex
	last    *entry // the lease as it was read or written last; nil before the first time
	renewed time.Time
	gaps    history.Gaps
	broken  bool
}

// entry is what of a lease must only go forward.
type entry struct {
	holder      string
	transitions int32
	renewed     time.Time
}

// New makes a journal that calls wentBack, once, when the host went back in time.
func New(wentBack func()) *Journal { return &Journal{wentBack: wentBack} }

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

// read takes note of the lease as the host has it.
func (j *Journal) read(lease *coordinationv1.Lease) error {
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
	j.last, j.gaps = &now, gaps
	return nil
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
		go j.wentBack()
	}
	return ErrWentBack
}

// opening is the gap annotation that a lease must have when a manager writes it.
func (j *Journal) opening(lease *coordinationv1.Lease) (string, error) {
	now := entryOf(lease)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.broken:
		return "", ErrWentBack
	case j.last == nil:
		return j.gaps.With(time.Time{}, now.renewed).String(), nil
	case now.holder == "" || now.holder == j.last.holder:
		return j.gaps.String(), nil
	}
	return j.gaps.With(j.last.renewed, now.renewed).String(), nil
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
	j.last, j.gaps, j.renewed = &now, gaps, now.renewed
	return nil
}

func entryOf(lease *coordinationv1.Lease) entry {
	e := entry{holder: ptr.Deref(lease.Spec.HolderIdentity, ""), transitions: ptr.Deref(lease.Spec.LeaseTransitions, 0)}
	if lease.Spec.RenewTime != nil {
		e.renewed = lease.Spec.RenewTime.UTC().Truncate(time.Microsecond) // more the host does not keep
	}
	return e
}

// before says whether the lease was so before it was as then. Each holder counts itself in the transitions, and renews by its
// own clock; clocks of different holders are not compared.
func (e entry) before(then entry) bool {
	if e.transitions != then.transitions {
		return e.transitions < then.transitions
	}
	if e.holder != then.holder && e.holder != "" {
		return true // who gave the lease back does not take it again under the same number
	}
	return e.renewed.Before(then.renewed)
}
