package fence

import (
	"context"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lock is the lock that the elections run on. It opens the fence with each renewal, and seals it before the lease is given
// up. Its own requests must not go through the fence.
//
// The elections ask for a renewal as often as they look at the lease; it is written once in a RetryPeriod. So stand-bys see
// soon that a lease was given up, and a renewal that failed is repeated soon, without a write every moment.
func (f *Fence) Lock(lock resourcelock.Interface) resourcelock.Interface {
	return &fencedLock{Interface: lock, fence: f}
}

type fencedLock struct {
	resourcelock.Interface
	fence *Fence
}

// Create implements resourcelock.Interface.
func (l *fencedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.renew(ctx, l.fence.clock.Now(), record, l.Interface.Create)
}

// Update implements resourcelock.Interface.
func (l *fencedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity != l.Identity() {
		l.fence.Seal()
		return l.Interface.Update(ctx, record)
	}
	now := l.fence.clock.Now()
	if !l.fence.due(now) {
		return nil
	}
	return l.renew(ctx, now, record, l.Interface.Update)
}

func (l *fencedLock) renew(ctx context.Context, sent time.Time, record resourcelock.LeaderElectionRecord,
	write func(context.Context, resourcelock.LeaderElectionRecord) error,
) error {
	if err := write(ctx, record); err != nil {
		return err
	}
	l.fence.Renew(sent)
	return nil
}
