package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// adopt puts the finalizer on a Cluster that is new and makes its execution namespace, so that its user can
// put the credentials there.
func (r *Reconciler) adopt(ctx context.Context, cluster *v1alpha1.Cluster) error {
	if controllerutil.ContainsFinalizer(cluster, v1alpha1.ClusterFinalizer) {
		return nil
	}
	before := cluster.DeepCopy()
	controllerutil.AddFinalizer(cluster, v1alpha1.ClusterFinalizer)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, cluster, patch, client.FieldOwner(objectpatch.ClusterOwner)); err != nil {
		return fmt.Errorf("adding the finalizer to Cluster %s: %w", cluster.Name, err)
	}
	return r.ensureNamespace(ctx, cluster.Name)
}

// ensureNamespace makes the execution namespace, with this manager's right to the credentials there.
// One that is going has to be gone first.
func (r *Reconciler) ensureNamespace(ctx context.Context, cluster string) error {
	if namespace, err := r.executionNamespace(ctx, cluster); err != nil || namespace != nil && !namespace.DeletionTimestamp.IsZero() {
		return err
	}
	namespace := applycorev1.Namespace(v1alpha1.ExecutionNamespace(cluster)).
		WithLabels(map[string]string{v1alpha1.ClusterLabel: cluster})
	if err := r.client.Apply(ctx, namespace, client.FieldOwner(objectpatch.ClusterOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("applying the execution namespace of Cluster %s: %w", cluster, err)
	}
	return r.grant(ctx, cluster)
}

// executionNamespace reads the execution namespace; nil when it does not exist.
func (r *Reconciler) executionNamespace(ctx context.Context, cluster string) (*corev1.Namespace, error) {
	var namespace corev1.Namespace
	err := r.live.Get(ctx, client.ObjectKey{Name: v1alpha1.ExecutionNamespace(cluster)}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the execution namespace of Cluster %s: %w", cluster, err)
	}
	if err != nil {
		return nil, nil
	}
	return &namespace, nil
}
