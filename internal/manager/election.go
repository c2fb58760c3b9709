package manager

import (
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/journal"
)

// leaseName is the name of the lease that the managers compete for.
const leaseName = "flotilla-manager"

// maxLook is how often the lease is looked at, at least: a stand-by takes over soon after it was given up, also when it is
// renewed seldom. client-go waits for up to 2.2 times as long.
const maxLook = 200 * time.Millisecond

// elect lets managers compete for the lease, and returns the fence to put around every transport, so that only the one that holds
// it changes anything. host must not be wrapped: the lease is written by those who do not hold it yet.
func elect(o *ctrl.Options, host *rest.Config, l configfile.LeaderElection, memory *journal.Journal) (*fence.Fence, error) {
	lock, err := lease(host, l, memory)
	if err != nil {
		return nil, err
	}
	f := fence.New(clock.RealClock{}, fence.Terms{RenewDeadline: l.RenewDeadline.Duration, RetryPeriod: l.RetryPeriod.Duration})
	look := min(l.RetryPeriod.Duration, maxLook)
	o.LeaderElection = true
	o.LeaderElectionID = leaseName // for the metrics, the lock itself has a name
	o.LeaderElectionResourceLockInterface = f.Lock(lock)
	o.LeaderElectionReleaseOnCancel = true // after all workers have stopped; the process ends right after that
	o.LeaseDuration = &l.LeaseDuration.Duration
	o.RenewDeadline = &l.RenewDeadline.Duration
	o.RetryPeriod = &look
	return f, nil
}

// lease is what the managers compete for. The holder is named after the pod, so that people can tell who leads.
func lease(host *rest.Config, l configfile.LeaderElection, memory *journal.Journal) (resourcelock.Interface, error) {
	name := os.Getenv("POD_NAME")
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("finding a name for the lease: %w", err)
		}
	}
	// The suffix tells two lives of one pod apart: a restarted manager must not believe that it still leads.
	return newLock(host, l, name+"_"+string(uuid.NewUUID()), memory)
}

func leaseNamespace(configured string) string {
	if configured != "" {
		return configured
	}
	if own := os.Getenv("POD_NAMESPACE"); own != "" {
		return own
	}
	return v1alpha1.SystemNamespace
}
