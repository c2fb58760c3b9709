package templates

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// IsWrapper says whether objects of a kind wrap others.
func IsWrapper(gvk schema.GroupVersionKind) bool {
	return gvk == v1alpha1.WrapperKind("") || gvk == v1alpha1.WrapperKind(metav1.NamespaceDefault)
}

// Unwrap is the object that a wrapper holds, as if it were a native one: with the identity, the generation and the deletion of the
// wrapper, and the status that the wrapper keeps for it. Nothing is changed, and much of the result is shared with the wrapper: it
// must not be changed either. It is false for what is no wrapper, or names nothing.
func Unwrap(wrapper *unstructured.Unstructured) (*unstructured.Unstructured, bool) {
	if !IsWrapper(wrapper.GroupVersionKind()) {
		return nil, false
	}
	manifest := object(object(wrapper.Object, "spec"), "manifest")
	if _, named := identityOf(wrapper); !named {
		return nil, false
	}
	fields := make(map[string]any, len(manifest)+1)
	for name, value := range manifest {
		fields[name] = value
	}
	delete(fields, "status")
	if status, found := object(wrapper.Object, "status")["manifest"]; found {
		fields["status"] = status
	}
	fields["metadata"] = metadata(object(manifest, "metadata"), wrapper)
	return &unstructured.Unstructured{Object: fields}, true
}

// Of is the template that an object on the host is: what it wraps, or itself.
func Of(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if template, wrapped := Unwrap(obj); wrapped {
		return template
	}
	return obj
}

// metadata takes what members get from the manifest, and what an object on the host has from the wrapper.
func metadata(written map[string]any, wrapper *unstructured.Unstructured) map[string]any {
	made := map[string]any{"name": written["name"]}
	if namespace := wrapper.GetNamespace(); namespace != "" {
		made["namespace"] = namespace
	}
	for _, name := range []string{"labels", "annotations"} {
		if value, found := written[name]; found {
			made[name] = value
		}
	}
	own := object(wrapper.Object, "metadata")
	for _, name := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"} {
		if value, found := own[name]; found {
			made[name] = value
		}
	}
	return made
}

// identity is what two objects of one cluster cannot share.
type identity struct {
	kind schema.GroupKind
	key  types.NamespacedName
}

func (i identity) String() string { return i.kind.String() + "/" + i.key.String() }

// identityOf is what the object in a wrapper is; false when it has no kind or name.
func identityOf(wrapper *unstructured.Unstructured) (identity, bool) {
	gvk, name := wrappedKind(wrapper)
	return identity{gvk.GroupKind(), types.NamespacedName{Namespace: wrapper.GetNamespace(), Name: name}}, gvk.Kind != "" && gvk.Version != "" && name != ""
}

func wrappedKind(wrapper *unstructured.Unstructured) (gvk schema.GroupVersionKind, name string) {
	manifest := object(object(wrapper.Object, "spec"), "manifest")
	apiVersion, _ := manifest["apiVersion"].(string)
	kind, _ := manifest["kind"].(string)
	name, _ = object(manifest, "metadata")["name"].(string)
	return schema.FromAPIVersionAndKind(apiVersion, kind), name
}

// object is the object in a field; an empty one when there is none.
func object(fields map[string]any, name string) map[string]any {
	value, _ := fields[name].(map[string]any)
	return value
}

// before says whether a wrapper counts rather than another one of the same object: the older one does.
func before(a, b *unstructured.Unstructured) bool {
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !x.Equal(&y) {
		return x.Before(&y)
	}
	return strings.Compare(a.GetName(), b.GetName()) < 0
}
