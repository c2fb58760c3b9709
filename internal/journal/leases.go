package journal

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// Leases is the client that the lock of the elections works with, for that one lease.
func (j *Journal) Leases(client coordinationclient.LeasesGetter) coordinationclient.LeasesGetter {
	return getter{client, j}
}

type getter struct {
	client  coordinationclient.LeasesGetter
	journal *Journal
}

// Leases implements coordinationclient.LeasesGetter.
func (g getter) Leases(namespace string) coordinationclient.LeaseInterface {
	return leases{g.client.Leases(namespace), g.journal}
}

type leases struct {
	coordinationclient.LeaseInterface
	journal *Journal
}

// Get implements coordinationclient.LeaseInterface.
func (l leases) Get(ctx context.Context, name string, o metav1.GetOptions) (*coordinationv1.Lease, error) {
	sent := l.journal.clock.Now()
	lease, err := l.LeaseInterface.Get(ctx, name, o)
	if err != nil {
		l.journal.Blink()
	}
	if apierrors.IsNotFound(err) {
		if back := l.journal.missing(); back != nil {
			return nil, back
		}
	}
	if err != nil {
		return nil, err
	}
	return lease, l.journal.read(lease, sent)
}

// Create implements coordinationclient.LeaseInterface.
func (l leases) Create(ctx context.Context, lease *coordinationv1.Lease, o metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return l.write(lease, func(marked *coordinationv1.Lease) (*coordinationv1.Lease, error) {
		return l.LeaseInterface.Create(ctx, marked, o)
	})
}

// Update implements coordinationclient.LeaseInterface.
func (l leases) Update(ctx context.Context, lease *coordinationv1.Lease, o metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return l.write(lease, func(marked *coordinationv1.Lease) (*coordinationv1.Lease, error) {
		return l.LeaseInterface.Update(ctx, marked, o)
	})
}

func (l leases) write(lease *coordinationv1.Lease, send func(*coordinationv1.Lease) (*coordinationv1.Lease, error)) (*coordinationv1.Lease, error) {
	marked, err := l.journal.marked(lease)
	if err != nil {
		return nil, err
	}
	written, err := send(marked)
	if err != nil {
		return nil, err
	}
	return written, l.journal.wrote(written)
}
