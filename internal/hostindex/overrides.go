package hostindex

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Overrides lists the override policies that can be for templates of a namespace: every ClusterOverridePolicy, and the
// OverridePolicies of the namespace; none of these for cluster-scoped templates (an empty namespace). They are the cache's
// own: copy before changing.
func Overrides(ctx context.Context, c client.Reader, namespace string) ([]v1alpha1.Override, error) {
	if namespace == "" {
		return overrides(ctx, c, nil)
	}
	return overrides(ctx, c, &client.ListOptions{Namespace: namespace})
}

// AllOverrides lists the override policies of every namespace, and the ClusterOverridePolicies. They are the cache's own.
func AllOverrides(ctx context.Context, c client.Reader) ([]v1alpha1.Override, error) {
	return overrides(ctx, c, &client.ListOptions{})
}

// overrides lists every ClusterOverridePolicy, and the OverridePolicies that local finds; none when local is nil.
func overrides(ctx context.Context, c client.Reader, local *client.ListOptions) ([]v1alpha1.Override, error) {
	var global v1alpha1.ClusterOverridePolicyList
	if err := c.List(ctx, &global, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing cluster override policies: %w", err)
	}
	var namespaced v1alpha1.OverridePolicyList
	if local != nil {
		if err := c.List(ctx, &namespaced, local, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing override policies: %w", err)
		}
	}
	policies := make([]v1alpha1.Override, 0, len(global.Items)+len(namespaced.Items))
	for i := range global.Items {
		policies = append(policies, &global.Items[i])
	}
	for i := range namespaced.Items {
		policies = append(policies, &namespaced.Items[i])
	}
	return policies, nil
}
