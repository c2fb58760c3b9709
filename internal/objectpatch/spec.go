package objectpatch

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// AbsentVersion is a resource version that no object has: API servers count from 2, because their store's first version is the empty
// one. An apply that carries it creates an object, and is a conflict where one exists. Plain creation would be recorded as an update,
// and leave behind what later applies leave out.
const AbsentVersion = "1"

// ApplySpec applies, as owner, exactly the fields of spec that are given, and so takes back the fields that this
// owner applied before and that are not given now. Other owners' fields stay. The object must exist; its UID is
// a precondition, so that neither is an object that was deleted made anew nor a namesake written to.
func ApplySpec(ctx context.Context, c client.Client, obj client.Object, owner Owner, spec map[string]any) error {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	return apply(ctx, c, obj, owner, u)
}

// ApplySpecOf is ApplySpec with the object's resource version as one more precondition: what changed since it was read is a
// conflict.
func ApplySpecOf(ctx context.Context, c client.Client, obj client.Object, owner Owner, spec map[string]any) error {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetResourceVersion(obj.GetResourceVersion())
	return apply(ctx, c, obj, owner, u)
}

func apply(ctx context.Context, c client.Client, obj client.Object, owner Owner, u *unstructured.Unstructured) error {
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return fmt.Errorf("finding the kind of %s: %w", obj.GetName(), err)
	}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(obj.GetNamespace())
	u.SetName(obj.GetName())
	u.SetUID(obj.GetUID())
	err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(owner), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("applying the spec of %s %s: %w", gvk.Kind, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}
