package tainting

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
)

// leftovers counts the templates of which a cluster holds something that should not be there any more.
func (r *Reconciler) leftovers(ctx context.Context, cluster string) (int, error) {
	bindings, err := hostindex.Bindings(ctx, r.client, hostindex.ByCluster, cluster)
	if err != nil {
		return 0, fmt.Errorf("looking for what is left in %s: %w", cluster, err)
	}
	left := 0
	for _, b := range bindings {
		if unwanted(b, cluster) && !r.options.Board.Reports(client.ObjectKeyFromObject(b))[cluster].Cleared(b) {
			left++
		}
	}
	return left, nil
}

// unwanted says whether a binding that concerns a cluster wants nothing there. One that is being deleted and has let go of all
// members concerns none.
func unwanted(b v1alpha1.Binding, cluster string) bool {
	if b.GetDeletionTimestamp() != nil {
		return controllerutil.ContainsFinalizer(b, v1alpha1.BindingFinalizer)
	}
	return !b.BindingSpec().HasTarget(cluster)
}
