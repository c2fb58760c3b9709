package proof

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
)

// Preserves says whether what a binding that is being deleted propagated is to be preserved: it says so itself, or its policy does by now.
func Preserves(ctx context.Context, live client.Reader, binding v1alpha1.Binding) (bool, error) {
	if ptr.Deref(binding.BindingSpec().PreserveResourcesOnDeletion, false) {
		return true, nil
	}
	return PolicyPreserves(ctx, live, binding)
}

// PolicyPreserves says whether the policy of a binding that is being deleted preserves what it propagated. Its user may have asked for
// that just before the template was deleted, and a binding that goes is told no more. What a Lazy policy says waits for the template's
// next change, so what the binding says counts, as it does when the policy is gone. What goes along with others and has no policy of its
// own is preserved when one of these is, by its binding or by its policy; one whose binding is gone has said all in its entry. live must
// not be a cache.
func PolicyPreserves(ctx context.Context, live client.Reader, binding v1alpha1.Binding) (bool, error) {
	spec := binding.BindingSpec()
	if !spec.Attached() {
		return preserves(ctx, live, spec.Policy)
	}
	for i := range spec.RequiredBy {
		if preserved, err := ownerPreserves(ctx, live, spec.RequiredBy[i]); err != nil || preserved {
			return preserved, err
		}
	}
	return false, nil
}

func ownerPreserves(ctx context.Context, live client.Reader, entry v1alpha1.BindingSnapshot) (bool, error) {
	key := types.NamespacedName{Namespace: entry.Namespace, Name: entry.Name}
	owner, err := hostindex.Binding(ctx, live, key)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("making sure that binding %s preserves nothing that it brought along: %w", key, err)
	case ptr.Deref(owner.BindingSpec().PreserveResourcesOnDeletion, false):
		return true, nil
	}
	return preserves(ctx, live, owner.BindingSpec().Policy)
}

// preserves asks a policy; none, and one that is gone, preserves nothing.
func preserves(ctx context.Context, live client.Reader, ref *v1alpha1.PolicyReference) (bool, error) {
	if ref == nil {
		return false, nil
	}
	policy := v1alpha1.NewPolicy(ref.Namespace)
	err := live.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, policy)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("making sure that the policy %s/%s preserves nothing: %w", ref.Namespace, ref.Name, err)
	}
	spec := policy.PropagationSpec()
	return spec.ActivationPreference != v1alpha1.ActivationLazy && ptr.Deref(spec.PreserveResourcesOnDeletion, false), nil
}
