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
	var global v1alpha1.ClusterOverridePolicyList
	if err := c.List(ctx, &global, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing cluster override policies: %w", err)
	}
	var local v1alpha1.OverridePolicyList
	if namespace != "" {
		if err := c.List(ctx, &local, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing override policies: %w", err)
		}
	}
	policies := make([]v1alpha1.Override, 0, len(global.Items)+len(local.Items))
	for i := range global.Items {
		policies = append(policies, &global.Items[i])
	}
	for i := range local.Items {
		policies = append(policies, &local.Items[i])
	}
	return policies, nil
}
