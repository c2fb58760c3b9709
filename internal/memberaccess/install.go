package memberaccess

import (
	"context"
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

// TakenError says that the member holds a ClusterRole of our name that is not this host's.
type TakenError struct {
	// Host is the UID of the host that it belongs to; empty when it is not Flotilla's.
	Host string
}

// Error says whose it is.
func (e *TakenError) Error() string {
	if e.Host == "" {
		return fmt.Sprintf("the ClusterRole %s is not Flotilla's", Name)
	}
	return fmt.Sprintf("the ClusterRole %s is not this host's: it is that of the host %s", Name, e.Host)
}

// Host is whose account it is.
type Host struct {
	// UID of the host's kube-system namespace.
	UID string
	// Replaces is the UID of another host, whose account this host's takes the place of; empty for none.
	Replaces string
}

// may says whether what carries the mark of a host may be changed.
func (h Host) may(mark string) bool { return mark == h.UID || h.Replaces != "" && mark == h.Replaces }

// Installed says what Install did.
type Installed struct {
	// Role owns everything that was installed.
	Role *rbacv1.ClusterRole
	// Created is true when there was nothing before, so that taking it back harms nobody.
	Created bool
	// Replaced is true when another host's account was there.
	Replaced bool
}

// Install gives Flotilla its account and rights in a member, or changes them to what is asked for. It may
// be repeated. It waits, as long as ctx lets it, while an earlier installation is still being removed. It
// returns a *TakenError when the member holds the account of another host than the one that is replaced. The tokens of the
// one that is replaced end with its account; propagated objects are not touched.
func Install(ctx context.Context, c client.Client, host Host, p Permissions) (Installed, error) {
	var role rbacv1.ClusterRole
	err := c.Get(ctx, client.ObjectKey{Name: Name}, &role)
	if client.IgnoreNotFound(err) != nil {
		return Installed{}, fmt.Errorf("reading the ClusterRole %s: %w", Name, err)
	}
	created, mark := apierrors.IsNotFound(err), role.Annotations[v1alpha1.HostAnnotation]
	if !created && !host.may(mark) {
		return Installed{}, &TakenError{Host: mark}
	}
	if err := waitWhileTerminating(ctx, c); err != nil {
		return Installed{}, err
	}
	role = rbacv1.ClusterRole{ObjectMeta: objectMeta("", Name, host.UID), Rules: ClusterRules(p)}
	if err := apply(ctx, c, &role); err != nil {
		return Installed{}, err
	}
	if err := c.Get(ctx, client.ObjectKey{Name: Name}, &role); err != nil {
		return Installed{}, fmt.Errorf("reading the ClusterRole %s: %w", Name, err)
	}
	installed := Installed{Role: &role, Created: created, Replaced: !created && mark != host.UID}
	if err := ensureNamespace(ctx, c, host, &role); err != nil {
		return installed, err
	}
	if err := endOtherAccount(ctx, c, host.UID); err != nil {
		return installed, err
	}
	for _, obj := range dependents(host.UID) {
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
func ensureNamespace(ctx context.Context, c client.Client, host Host, role *rbacv1.ClusterRole) error {
	var existing corev1.Namespace
	err := c.Get(ctx, client.ObjectKey{Name: v1alpha1.SystemNamespace}, &existing)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the namespace %s: %w", v1alpha1.SystemNamespace, err)
	}
	if err == nil && !host.may(existing.Annotations[v1alpha1.HostAnnotation]) {
		return nil
	}
	namespace := &corev1.Namespace{ObjectMeta: objectMeta("", v1alpha1.SystemNamespace, host.UID)}
	namespace.SetOwnerReferences([]metav1.OwnerReference{ownerReference(role)})
	return apply(ctx, c, namespace)
}

// endOtherAccount deletes a ServiceAccount that another host left: its tokens are good for as long as it is there. The ClusterRole has
// this host's mark by then, so it is found by its own, also when an earlier run was interrupted.
func endOtherAccount(ctx context.Context, c client.Client, hostUID string) error {
	var account corev1.ServiceAccount
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: Name}
	err := c.Get(ctx, key, &account)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the ServiceAccount %s: %w", key, err)
	}
	if mark := account.Annotations[v1alpha1.HostAnnotation]; mark == "" || mark == hostUID {
		return nil
	}
	if err := c.Delete(ctx, &account, client.Preconditions{UID: &account.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the ServiceAccount %s of another host: %w", key, err)
	}
	err = wait.PollUntilContextCancel(ctx, terminationPoll, true, func(ctx context.Context) (bool, error) {
		var found corev1.ServiceAccount
		err := c.Get(ctx, key, &found)
		return apierrors.IsNotFound(err) || err == nil && found.UID != account.UID, client.IgnoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("waiting for the end of the ServiceAccount %s of another host: %w", key, err)
	}
	return nil
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
