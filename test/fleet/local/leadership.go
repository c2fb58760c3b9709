package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
)

// terminationGrace is Kubernetes' own default: who has not ended by then is killed.
const terminationGrace = 30 * time.Second

// Terminate asks a manager or a single process to end (SIGTERM), as Kubernetes does, and returns when it is gone.
func (f *Fleet) Terminate(ctx context.Context, name string) error {
	components, err := f.find(name)
	if err != nil {
		return fmt.Errorf("terminating: %w", err)
	}
	return f.processes.Stop(ctx, terminationGrace, names(slices.Concat(components...))...)
}

// LeaseTaken is when the manager that leads took the lease.
func (f *Fleet) LeaseTaken(ctx context.Context) (time.Time, error) {
	var lease coordinationv1.Lease
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: leaderLease}
	if err := f.Host.client.Get(ctx, key, &lease); err != nil {
		return time.Time{}, fmt.Errorf("reading the lease: %w", err)
	}
	if lease.Spec.AcquireTime == nil {
		return time.Time{}, errors.New("reading the lease: nobody has taken it")
	}
	return lease.Spec.AcquireTime.Time, nil
}

// HealthAddress is the host and port where a manager serves its probes, empty when the fleet has no such manager.
func (f *Fleet) HealthAddress(manager string) string {
	i := slices.IndexFunc(f.state.Managers, func(c controlplane.Component) bool { return c.Name == manager })
	if i < 0 {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(f.state.Managers[i].Health, "http://"), "/healthz")
}

// Credential is what the audit log of the host calls the token of a manager.
func (f *Fleet) Credential(manager string) (string, error) {
	return credentialOf(f.folder.path(manager + ".kubeconfig"))
}
