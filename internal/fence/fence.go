package fence

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// ErrClosed is the error of a request that would change something while this process must not.
var ErrClosed = errors.New("this manager does not hold the lease, or could not renew it in time: it changes nothing")

// Fence lets requests that change something pass while the lease is held. It is safe for concurrent use.
type Fence struct {
	terms Terms
	clock clock.WithDelayedExecution

	mu      sync.Mutex
	renewed time.Time // when the last successful renewal was sent; zero before the first
	sealed  bool
	// doubted is when a connection to the host was made last: what is read through it may be of a host that was restored. Zero for never.
	doubted time.Time
	// proven is the last time of which it is known that the host had not gone back: when the lease was renewed, or an API server was
	// heard that had run since before. Zero before the first renewal.
	proven time.Time
	// settled is closed when those who wait for the end of a doubt shall look again; nil while nobody waits.
	settled chan struct{}
	told    time.Time   // when a long wait was told of last; zero for never
	timer   clock.Timer // closes at the end of the terms; nil before the first renewal
	// underWay are the requests that have left and have not been answered.
	underWay map[*passage]struct{}
	answered sync.WaitGroup
}

// passage is one request that passed.
type passage struct{ stop context.CancelCauseFunc }

// New makes a fence that is closed until the lease is renewed for the first time.
func New(c clock.WithDelayedExecution, t Terms) *Fence {
	return &Fence{terms: t, clock: c, underWay: map[*passage]struct{}{}}
}

// Renew opens the fence: the lease was renewed by a request that was sent then.
func (f *Fence) Renew(sent time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed || sent.Before(f.renewed) {
		return
	}
	f.renewed = sent
	f.prove(sent)
	if f.timer == nil {
		f.arm()
	}
}

// Open says whether something may be changed now.
func (f *Fence) Open() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.sealed && f.remaining() > 0
}

// due says whether it is time to renew the lease.
func (f *Fence) due(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doubtful() || f.terms.Due(f.renewed, now)
}

// Seal closes the fence for good, and returns when nothing is under way any more: before the lease is given up.
func (f *Fence) Seal() {
	f.Shut()
	f.answered.Wait()
}

// Shut closes the fence for good, and gives up what is under way, without waiting for it.
func (f *Fence) Shut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sealed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.cutOff()
}

// expire cuts off what is under way when the terms have ended, or comes back when they have been renewed meanwhile.
func (f *Fence) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timer = nil
	if f.sealed {
		return
	}
	if f.remaining() > 0 {
		f.arm()
		return
	}
	f.cutOff()
}

// enter lets a request pass, or refuses it with ErrClosed. In doubt it waits for a proof; a renewal of the lease is one, which then is due. The
// guarded context ends, with ErrClosed as its cause, when the request must be given up; leave must be called when it has been answered.
func (f *Fence) enter(ctx context.Context) (guarded context.Context, leave func(), err error) {
	arrived := f.clock.Now()
	guarded, stop := context.WithCancelCause(ctx)
	p := &passage{stop}
	settled, err := f.try(p, arrived)
	if settled != nil {
		err = f.wait(ctx, p, settled, arrived)
	}
	if err != nil {
		stop(nil)
		return nil, nil, err
	}
	return guarded, sync.OnceFunc(func() { f.leave(p) }), nil
}

// try lets a request pass that arrived then, refuses it, or returns what is to be waited for before the next try.
func (f *Fence) try(p *passage, arrived time.Time) (settled <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed || f.remaining() <= 0 {
		return nil, ErrClosed
	}
	// What it was decided on was read before it arrived. So a proof since is enough for it, however often the host is dialled.
	if f.doubtful() && !f.proven.After(arrived) {
		if f.settled == nil {
			f.settled = make(chan struct{})
		}
		return f.settled, nil
	}
	f.underWay[p] = struct{}{}
	f.answered.Add(1)
	return nil, nil
}

func (f *Fence) leave(p *passage) {
	f.mu.Lock()
	delete(f.underWay, p)
	f.mu.Unlock()
	p.stop(nil)
	f.answered.Done()
}

// The rest is for those who hold the lock.

func (f *Fence) remaining() time.Duration { return f.terms.Remaining(f.renewed, f.clock.Now()) }

// arm comes back at the end of the terms, in a goroutine of its own, because a fake clock calls with its lock held.
func (f *Fence) arm() { f.timer = f.clock.AfterFunc(f.remaining(), func() { go f.expire() }) }

func (f *Fence) cutOff() {
	for p := range f.underWay {
		p.stop(ErrClosed)
	}
	f.settle()
}
