package manager

import (
	"fmt"
	"net"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/journal"
)

// client-go's own, for connections to the host.
const (
	keepAlive   = 30 * time.Second
	dialTimeout = 30 * time.Second
)

// guarded is how to reach the host behind the fence.
func guarded(host *rest.Config, guard *fence.Fence) *rest.Config {
	host = rest.CopyConfig(host)
	host.Wrap(guard.Wrap)
	if host.Dial == nil {
		host.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	}
	host.Dial = guard.Dial(host.Dial)
	return host
}

// newLock is the lock on the lease of the managers. The journal takes part in its requests: by the lease it tells what the host
// remembers.
func newLock(host *rest.Config, l configfile.LeaderElection, identity string, memory *journal.Journal) (resourcelock.Interface, error) {
	config := rest.CopyConfig(host)
	// With a way to dial of its own it has a connection of its own, so that no list and no burst of writes holds a renewal up.
	config.Dial = memory.Dial((&net.Dialer{Timeout: max(l.RenewDeadline.Duration/2, time.Second), KeepAlive: keepAlive}).DialContext)
	config.Wrap(newRedial)
	config.Wrap(memory.Wrap)
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
