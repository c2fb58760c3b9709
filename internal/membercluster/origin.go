package membercluster

import (
	"context"

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
	u, err := m.Get(ctx, gvk, key)
	if err != nil || u == nil {
		return nil, err
	}
	return &Origin{
		UID:        u.GetUID(),
		Ours:       m.observer.owns(u),
		Binding:    u.GetAnnotations()[v1alpha1.BindingAnnotation],
		Controller: metav1.GetControllerOf(u),
	}, nil
}
