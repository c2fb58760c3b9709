package memberaccess

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// owner is the field manager of what is installed here.
const owner = client.FieldOwner("flotilla-join")

// managedByLabel is Kubernetes' recommended label for the tool that manages an object.
const managedByLabel = "app.kubernetes.io/managed-by"

// terminationPoll is how often a namespace that is being deleted is looked at again.
const terminationPoll = 500 * time.Millisecond

// ErrTaken says that the member holds a ClusterRole of our name that is not this host's.
var ErrTaken = errors.New("not this host's")

// Installed says what Install did.
type Installed struct {
	// Role owns everything that was installed.
	Role *rbacv1.ClusterRole
	// Created is true when there was nothing before, so that taking it back harms nobody.
	Created bool
}

// Install gives Flotilla its account and rights in a member, or changes them to what is asked for. It may
// be repeated. It waits, as long as ctx lets it, while an earlier installation is still being removed. It
// returns ErrTaken, wrapped, when the member holds another host's account.
func Install(ctx context.Context, c client.Client, hostUID string, p Permissions) (Installed, error) {
	var role rbacv1.ClusterRole
	err := c.Get(ctx, client.ObjectKey{Name: Name}, &role)
	if client.IgnoreNotFound(err) != nil {
		return Installed{}, fmt.Errorf("reading the ClusterRole %s: %w", Name, err)
	}
	created := apierrors.IsNotFound(err)
	if !created && role.Annotations[v1alpha1.HostAnnotation] != hostUID {
		return Installed{}, fmt.Errorf("the ClusterRole %s is %w", Name, ErrTaken)
	}
	if err := waitWhileTerminating(ctx, c); err != nil {
		return Installed{}, err
	}
	role = rbacv1.ClusterRole{ObjectMeta: objectMeta("", Name, hostUID), Rules: ClusterRules(p)}
	if err := apply(ctx, c, &role); err != nil {
		return Installed{}, err
	}
	if err := c.Get(ctx, client.ObjectKey{Name: Name}, &role); err != nil {
		return Installed{}, fmt.Errorf("reading the ClusterRole %s: %w", Name, err)
	}
	installed := Installed{Role: &role, Created: created}
	if err := ensureNamespace(ctx, c, hostUID, &role); err != nil {
		return installed, err
	}
	for _, obj := range dependents(hostUID) {
		obj.SetOwnerReferences([]metav1.OwnerReference{ownerReference(&role)})
		if err := apply(ctx, c, obj); err != nil {
			return installed, err
		}
	}
	return installed, nil
}

// waitWhileTerminating lets an earlier unjoin finish.
func waitWhileTerminating(ctx context.Context, c client.Client) error {
	err := wait.PollUntilContextCancel(ctx, terminationPoll, true, func(ctx context.Context) (bool, error) {
		var namespace corev1.Namespace
		err := c.Get(ctx, client.ObjectKey{Name: v1alpha1.SystemNamespace}, &namespace)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return namespace.DeletionTimestamp == nil, err
	})
	if err != nil {
		return fmt.Errorf("waiting until the member's namespace %s is there or gone, not being deleted: %w", v1alpha1.SystemNamespace, err)
	}
	return nil
}

// ensureNamespace creates the namespace as ours, or leaves it as it is when others created it.
func ensureNamespace(ctx context.Context, c client.Client, hostUID string, role *rbacv1.ClusterRole) error {
	var existing corev1.Namespace
	err := c.Get(ctx, client.ObjectKey{Name: v1alpha1.SystemNamespace}, &existing)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the namespace %s: %w", v1alpha1.SystemNamespace, err)
	}
	if err == nil && existing.Annotations[v1alpha1.HostAnnotation] != hostUID {
		return nil
	}
	namespace := &corev1.Namespace{ObjectMeta: objectMeta("", v1alpha1.SystemNamespace, hostUID)}
	namespace.SetOwnerReferences([]metav1.OwnerReference{ownerReference(role)})
	return apply(ctx, c, namespace)
}

// dependents are the objects beside the ClusterRole and the namespace.
func dependents(hostUID string) []client.Object {
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: v1alpha1.SystemNamespace, Name: Name}}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: objectMeta(v1alpha1.SystemNamespace, Name, hostUID)},
		&rbacv1.Role{ObjectMeta: objectMeta(v1alpha1.SystemNamespace, Name, hostUID), Rules: NamespaceRules()},
		&rbacv1.RoleBinding{
			ObjectMeta: objectMeta(v1alpha1.SystemNamespace, Name, hostUID), Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: Name},
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: objectMeta("", Name, hostUID), Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: Name},
		},
	}
}

func objectMeta(namespace, name, hostUID string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name,
		Labels:      map[string]string{managedByLabel: Name},
		Annotations: map[string]string{v1alpha1.HostAnnotation: hostUID},
	}
}

func ownerReference(role *rbacv1.ClusterRole) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}
}

func apply(ctx context.Context, c client.Client, obj client.Object) error {
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return fmt.Errorf("finding the kind of %s: %w", obj.GetName(), err)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return fmt.Errorf("converting %s %s: %w", gvk.Kind, obj.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "spec")
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), owner, client.ForceOwnership); err != nil {
		return fmt.Errorf("applying the %s %s: %w", gvk.Kind, obj.GetName(), err)
	}
	return nil
}
