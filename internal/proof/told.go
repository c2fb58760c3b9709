package proof

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
)

// Told says whether all that goes along with an owner that is being deleted knows that it is to be preserved, if it is. Once the owner's
// binding is gone nobody can tell any more. live must not be a cache.
func Told(ctx context.Context, live client.Reader, owner v1alpha1.Binding, along []v1alpha1.Binding) (bool, error) {
	if len(along) == 0 {
		return true, nil
	}
	if preserve, err := Preserves(ctx, live, owner); err != nil || !preserve {
		return err == nil, err
	}
	for _, known := range along {
		key := client.ObjectKeyFromObject(known)
		latest, err := hostindex.Binding(ctx, live, key)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return false, fmt.Errorf("making sure that binding %s knows that it is preserved for another: %w", key, err)
		case !knows(latest, client.ObjectKeyFromObject(owner)):
			return false, nil
		}
	}
	return true, nil
}

// knows says whether what goes along with an owner that is preserved has to be told nothing. What is being deleted is told no more: its
// owners are asked for as long as it keeps objects in members, unless a policy of its own decides.
func knows(along v1alpha1.Binding, owner types.NamespacedName) bool {
	spec := along.BindingSpec()
	if along.GetDeletionTimestamp() != nil && !(spec.Attached() && controllerutil.ContainsFinalizer(along, v1alpha1.BindingFinalizer)) {
		return true
	}
	return !slices.ContainsFunc(spec.RequiredBy, func(entry v1alpha1.BindingSnapshot) bool {
		return entry.Namespace == owner.Namespace && entry.Name == owner.Name && !entry.PreserveResourcesOnDeletion
	})
}
