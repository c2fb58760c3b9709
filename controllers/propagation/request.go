package propagation

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

// Request names one template.
type Request struct {
	// GVK is the template's kind.
	GVK schema.GroupVersionKind
	// Key is the template's namespace and name.
	Key types.NamespacedName
}

// binding is the name of the template's binding.
func (r Request) binding() types.NamespacedName {
	return types.NamespacedName{Namespace: r.Key.Namespace, Name: v1alpha1.BindingName(r.GVK.Group, r.GVK.Kind, r.Key.Name)}
}

// reference is the request's template, held by a wrapper or, without one, by itself.
func (r Request) reference(wrapper string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{
		APIVersion: r.GVK.GroupVersion().String(), Kind: r.GVK.Kind, Namespace: r.Key.Namespace, Name: r.Key.Name, Wrapper: wrapper,
	}
}

func requestOf(b v1alpha1.Binding) Request {
	resource := b.BindingSpec().Resource
	return Request{GVK: resource.GroupVersionKind(), Key: resource.Key()}
}

// Templates is the cache of the templates on the host; templates.Cache is one. It holds
// *unstructured.Unstructured.
type Templates interface {
	Watch(gvk schema.GroupVersionKind)
	Unwatch(gvk schema.GroupVersionKind)
	Kinds() []schema.GroupVersionKind
	State(gvk schema.GroupVersionKind) objectcache.State
	Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error)
	List(gvk schema.GroupVersionKind) ([]any, error)
	// Wrapper is what holds a template that is wrapped, nil for a native one.
	Wrapper(gvk schema.GroupVersionKind, key types.NamespacedName) (*unstructured.Unstructured, error)
	OnEvent(f func(objectcache.Event))
	OnStateChange(f func(schema.GroupVersionKind))
}

// Interpreter tells how many replicas a template asks for, and what each needs, or which parts it has;
// interpreter.Interpreter is one.
type Interpreter interface {
	Replicas(template *unstructured.Unstructured) (*int32, *v1alpha1.ReplicaRequirements, error)
	Components(template *unstructured.Unstructured) ([]v1alpha1.Component, error)
}
