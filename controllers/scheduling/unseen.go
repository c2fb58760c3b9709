package scheduling

import (
	"context"
	"time"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/proof"
)

// unseenRetry is when to decide again that a binding stays in a Cluster which the host has and the cache does not show: it may go without
// the watch telling. One that is shown meanwhile leads back sooner.
const unseenRetry = 10 * time.Second

// evidence is what has to be asked for a decision, because nothing in memory is proof of it.
type evidence struct {
	// unseen are the Clusters that the host has and the cache does not show.
	unseen []*v1alpha1.Cluster
	// fresh is what members said just now; nil when they were not asked.
	fresh map[string]int32
}

// unseen asks the host for the Clusters in which a template is, or is retained, and which the cache does not show. A cluster that is gone is
// left at once, without waiting for a replacement; but a manager that has just taken over may not have been shown one that joined under
// its predecessor.
func (r *Reconciler) unseen(ctx context.Context, spec *v1alpha1.BindingSpec) (found []*v1alpha1.Cluster, err error) {
	names := make([]string, 0, len(spec.Clusters)+len(spec.Retained))
	for i := range spec.Clusters {
		names = append(names, spec.Clusters[i].Name)
	}
	for i := range spec.Retained {
		names = append(names, spec.Retained[i].Name)
	}
	for _, name := range names {
		cluster, shown, err := proof.Cluster(ctx, r.client, r.live, name)
		if err != nil {
			return nil, err
		}
		if cluster != nil && !shown {
			found = append(found, cluster)
		}
	}
	return found, nil
}
