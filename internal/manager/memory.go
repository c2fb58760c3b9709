package manager

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/internal/journal"
)

// newLock is the lock on the lease of the managers. The journal takes part in its requests: by the lease it tells what the host
// remembers.
func newLock(host *rest.Config, l configfile.LeaderElection, identity string, memory *journal.Journal) (resourcelock.Interface, error) {
	config := rest.CopyConfig(host)
	// A renewal that hangs leaves time for another one, as in client-go's own constructor.
	config.Timeout = max(l.RenewDeadline.Duration/2, time.Second)
	client, err := coordinationclient.NewForConfig(rest.AddUserAgent(config, "leader-election"))
	if err != nil {
		return nil, fmt.Errorf("preparing the lease: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: leaseNamespace(l.Namespace), Name: leaseName},
		Client:     memory.Leases(client),
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}, nil
}
