package membercluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Origin says where an object in a member comes from.
type Origin struct {
	// UID of the object.
	UID types.UID
	// Ours is true when it carries this host's marks.
	Ours bool
	// Binding is the binding that its marks name: "namespace/name", or "/name" for a ClusterResourceBinding.
	Binding string
	// Controller is the owner that manages it; nil when it has none.
	Controller *metav1.OwnerReference
}

// Origin reads from the member itself where an object comes from; nil when it does not exist there.
func (m *Member) Origin(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName) (*Origin, error) {
	resource, err := m.resource(gvk, key.Namespace)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	u, err := resource.Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s in %s: %w", gvk.Kind, key, m.Name, err)
	}
	annotations := u.GetAnnotations()
	return &Origin{
		UID:        u.GetUID(),
		Ours:       u.GetLabels()[v1alpha1.ManagedLabel] == "true" && annotations[v1alpha1.HostAnnotation] == m.observer.hostUID,
		Binding:    annotations[v1alpha1.BindingAnnotation],
		Controller: metav1.GetControllerOf(u),
	}, nil
}
