package proof

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Cluster finds a Cluster in the cache, and asks the host for one that the cache does not show: it may have joined while the cache's watch
// was away. It is nil when the host has none: the member has left the fleet. Where shown is true it is the cache's own, and must not be
// changed. One that is not shown may go without the watch telling, so whoever waits for its end looks again by a timer. live must not be a
// cache.
func Cluster(ctx context.Context, cache, live client.Reader, name string) (cluster *v1alpha1.Cluster, shown bool, err error) {
	cluster, err = clusterIn(ctx, cache, name, client.UnsafeDisableDeepCopy)
	if err != nil || cluster != nil {
		return cluster, cluster != nil, err
	}
	cluster, err = clusterIn(ctx, live, name)
	return cluster, false, err
}

// clusterIn is nil when there is no such Cluster.
func clusterIn(ctx context.Context, reader client.Reader, name string, opts ...client.GetOption) (*v1alpha1.Cluster, error) {
	cluster := &v1alpha1.Cluster{}
	err := reader.Get(ctx, client.ObjectKey{Name: name}, cluster, opts...)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("making sure that there is a Cluster %s: %w", name, err)
	}
	return cluster, nil
}
