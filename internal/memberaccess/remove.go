package memberaccess

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Remove takes Flotilla's account and rights out of a member. The namespace stays when others created it
// or use it. A member that Flotilla was never installed in (its credentials came from elsewhere), or that
// another host has taken, is left alone.
func Remove(ctx context.Context, c client.Client, hostUID string) error {
	var role rbacv1.ClusterRole
	err := c.Get(ctx, client.ObjectKey{Name: Name}, &role)
	// Credentials that may not even look cannot be those of an account that Install made.
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the ClusterRole %s: %w", Name, err)
	}
	if role.Annotations[v1alpha1.HostAnnotation] != hostUID {
		return nil
	}
	if err := keepSharedNamespace(ctx, c, &role); err != nil {
		return err
	}
	return deleteRole(ctx, c, &role)
}

func deleteRole(ctx context.Context, c client.Client, role *rbacv1.ClusterRole) error {
	err := c.Delete(ctx, role, client.Preconditions{UID: &role.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the ClusterRole %s: %w", Name, err)
	}
	return nil
}

// Undo takes back what Install created in a member that had nothing before.
func Undo(ctx context.Context, c client.Client, installed Installed) error {
	if !installed.Created || installed.Role == nil {
		return nil
	}
	return deleteRole(ctx, c, installed.Role)
}

// keepSharedNamespace takes the owner reference off the namespace when something else lives in it.
func keepSharedNamespace(ctx context.Context, c client.Client, role *rbacv1.ClusterRole) error {
	var namespace corev1.Namespace
	err := c.Get(ctx, client.ObjectKey{Name: v1alpha1.SystemNamespace}, &namespace)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the namespace %s: %w", v1alpha1.SystemNamespace, err)
	}
	owned := func(reference metav1.OwnerReference) bool { return reference.UID == role.UID }
	if !slices.ContainsFunc(namespace.OwnerReferences, owned) {
		return nil
	}
	shared, err := holdsOthers(ctx, c)
	if err != nil || !shared {
		return err
	}
	kept := namespace.DeepCopy()
	kept.OwnerReferences = slices.DeleteFunc(kept.OwnerReferences, owned)
	delete(kept.Annotations, v1alpha1.HostAnnotation)
	patch := client.MergeFromWithOptions(&namespace, client.MergeFromWithOptimisticLock{})
	if err := c.Patch(ctx, kept, patch, owner); err != nil {
		return fmt.Errorf("releasing the namespace %s: %w", v1alpha1.SystemNamespace, err)
	}
	return nil
}

// residents are the kinds whose presence says that a namespace is in use, each with the names that every
// namespace, or Flotilla, has.
var residents = []struct {
	kind  schema.GroupVersionKind
	usual []string
}{
	{corev1.SchemeGroupVersion.WithKind("ConfigMap"), []string{"kube-root-ca.crt"}},
	{corev1.SchemeGroupVersion.WithKind("ServiceAccount"), []string{"default", Name}},
	{corev1.SchemeGroupVersion.WithKind("Secret"), nil},
	{corev1.SchemeGroupVersion.WithKind("Service"), nil},
	{corev1.SchemeGroupVersion.WithKind("Pod"), nil},
	{corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), nil},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, nil},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, nil},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}, nil},
}

func holdsOthers(ctx context.Context, c client.Client) (bool, error) {
	for _, resident := range residents {
		var list metav1.PartialObjectMetadataList
		list.SetGroupVersionKind(resident.kind.GroupVersion().WithKind(resident.kind.Kind + "List"))
		if err := c.List(ctx, &list, client.InNamespace(v1alpha1.SystemNamespace), client.Limit(int64(len(resident.usual)+1))); err != nil {
			return false, fmt.Errorf("looking for a %s in the namespace %s: %w", resident.kind.Kind, v1alpha1.SystemNamespace, err)
		}
		for _, item := range list.Items {
			if !slices.Contains(resident.usual, item.Name) {
				return true, nil
			}
		}
	}
	return false, nil
}

// Leftovers names what stays in a member that could not be cleaned, for people.
func Leftovers(hostUID string) string {
	return fmt.Sprintf("the ClusterRole %s (deleting it removes Flotilla's account and rights) and the objects labelled %s=true with the annotation %s: %s",
		Name, v1alpha1.ManagedLabel, v1alpha1.HostAnnotation, hostUID)
}
