package manager

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flotilla-dev/flotilla/controllers/descheduling"
	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

// stuckPods tells the descheduler what the connected members know.
type stuckPods struct{ pool *membercluster.Pool }

// Stuck implements descheduling.Members.
func (s stuckPods) Stuck(cluster string) ([]membercluster.StuckPod, bool) {
	member, connected := s.pool.Member(cluster)
	if !connected {
		return nil, false
	}
	return member.Load.Stuck()
}

// Origin implements descheduling.Members.
func (s stuckPods) Origin(ctx context.Context, cluster string, gvk schema.GroupVersionKind, key types.NamespacedName) (*membercluster.Origin, error) {
	member, connected := s.pool.Member(cluster)
	if !connected {
		return nil, fmt.Errorf("%s is not connected", cluster)
	}
	return member.Origin(ctx, gvk, key)
}

func setupDescheduling(mgr ctrl.Manager, p parts, d configfile.Descheduling) error {
	if !d.Enabled {
		return nil
	}
	return descheduling.Setup(mgr, descheduling.Options{
		Members: stuckPods{p.pool}, Threshold: d.Threshold.Duration, CoolDown: d.CoolDown.Duration, Interval: d.Interval.Duration,
	})
}
