package tainting

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/taintplan"
)

// taint applies the taints that a cluster should have of Flotilla itself, when those that it has differ. The resource version is a
// precondition: a taint that a user has added since is not taken over.
func (r *Reconciler) taint(ctx context.Context, cluster *v1alpha1.Cluster, have []corev1.Taint, p taintplan.ClusterPlan) error {
	if apiequality.Semantic.DeepEqual(have, p.Taints) {
		return nil
	}
	spec := map[string]any{}
	if len(p.Taints) > 0 {
		items := make([]any, len(p.Taints))
		for i := range p.Taints {
			item, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&p.Taints[i])
			if err != nil {
				return fmt.Errorf("converting the taints of Cluster %s: %w", cluster.Name, err)
			}
			items[i] = item
		}
		spec["taints"] = items
	}
	return objectpatch.ApplySpecOf(ctx, r.client, cluster, objectpatch.TaintingOwner, spec)
}
