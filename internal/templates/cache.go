package templates

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

// Indexes of wrappers.
const (
	byIdentity = "wrappedIdentity"
	byKind     = "wrappedKind"
)

// wrappers are the kinds that wrap others.
var wrappers = [...]schema.GroupVersionKind{v1alpha1.WrapperKind(""), v1alpha1.WrapperKind(metav1.NamespaceDefault)}

// Cache keeps the templates of kinds chosen at run time. It is safe for concurrent use.
type Cache struct {
	objects *objectcache.Cache
}

// New makes a cache that watches wrappers only. The indexers of the options must not be used otherwise.
func New(o objectcache.Options) *Cache {
	o.Indexers = toolscache.Indexers{
		byIdentity: index(func(wrapper *unstructured.Unstructured) string {
			wrapped, named := identityOf(wrapper)
			if !named {
				return ""
			}
			return wrapped.String()
		}),
		byKind: index(func(wrapper *unstructured.Unstructured) string {
			gvk, _ := wrappedKind(wrapper)
			return gvk.String()
		}),
	}
	c := &Cache{objects: objectcache.New(o)}
	for _, gvk := range wrappers {
		c.objects.Watch(gvk)
	}
	return c
}

// index finds wrappers by a value; other objects, and an empty value, are not in it.
func index(value func(wrapper *unstructured.Unstructured) string) toolscache.IndexFunc {
	return func(obj any) ([]string, error) {
		wrapper, ok := obj.(*unstructured.Unstructured)
		if !ok || !IsWrapper(wrapper.GroupVersionKind()) {
			return nil, nil
		}
		if v := value(wrapper); v != "" {
			return []string{v}, nil
		}
		return nil, nil
	}
}

// NeedLeaderElection is objectcache's.
func (c *Cache) NeedLeaderElection() bool { return c.objects.NeedLeaderElection() }

// Start runs the watches until ctx ends, then waits for them to stop.
func (c *Cache) Start(ctx context.Context) error { return c.objects.Start(ctx) }

// Watch makes sure that the native objects of a kind are watched. It returns at once.
func (c *Cache) Watch(gvk schema.GroupVersionKind) { c.objects.Watch(gvk) }

// Unwatch stops watching the native objects of a kind, and forgets them.
func (c *Cache) Unwatch(gvk schema.GroupVersionKind) {
	if !IsWrapper(gvk) {
		c.objects.Unwatch(gvk)
	}
}

// Remind calls what OnStateChange registered, as if the kind's watch had just synced.
func (c *Cache) Remind(gvk schema.GroupVersionKind) { c.objects.Remind(gvk) }

// Kinds are the kinds that are watched, in no order; the wrappers are not among them.
func (c *Cache) Kinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for _, gvk := range c.objects.Kinds() {
		if !IsWrapper(gvk) {
			kinds = append(kinds, gvk)
		}
	}
	return kinds
}

// State tells how far the watch of a kind is. A kind that the host does not serve, or does not let Flotilla read, is as good as
// synced once an object of it is wrapped: that is where its templates are. Other errors pass, and are no reason to think so.
func (c *Cache) State(gvk schema.GroupVersionKind) objectcache.State {
	state := c.objects.State(gvk)
	for _, wrapper := range wrappers {
		if !c.objects.State(wrapper).Synced {
			state.Synced = false
		}
	}
	if (state.Unserved() || apierrors.IsForbidden(state.Err)) && !state.Synced {
		if wrapped, err := c.wrapped(gvk); err == nil && len(wrapped) > 0 {
			return objectcache.State{Watched: state.Watched, Synced: true}
		}
	}
	return state
}

// Get finds a template, an *unstructured.Unstructured that must not be changed. The error is objectcache.ErrNotSynced while it cannot
// be told.
func (c *Cache) Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error) {
	wrapper, err := c.holder(identity{gvk.GroupKind(), key})
	if err != nil {
		return nil, false, err
	}
	if wrapper != nil {
		if version, _ := wrappedKind(wrapper); version == gvk {
			template, ok := Unwrap(wrapper)
			return template, ok, nil
		}
	}
	return c.objects.Get(gvk, key)
}

// Wrapper is what holds a template that is wrapped, nil for a native one. It must not be changed.
func (c *Cache) Wrapper(gvk schema.GroupVersionKind, key types.NamespacedName) (*unstructured.Unstructured, error) {
	return c.holder(identity{gvk.GroupKind(), key})
}

// Holder is the wrapper that counts among those of the object in a wrapper; nil when it names nothing.
func (c *Cache) Holder(wrapper *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	wrapped, named := identityOf(wrapper)
	if !named {
		return nil, nil
	}
	return c.holder(wrapped)
}

// Native finds the native object of a kind and name, wrapped or not. The error is objectcache.ErrNotSynced while it cannot be told.
func (c *Cache) Native(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error) {
	return c.objects.Get(gvk, key)
}

// WrapperNamed finds a wrapper by its own name; without a namespace a ClusterResourceTemplate.
func (c *Cache) WrapperNamed(key types.NamespacedName) (*unstructured.Unstructured, bool, error) {
	obj, found, err := c.objects.Get(v1alpha1.WrapperKind(key.Namespace), key)
	wrapper, ok := obj.(*unstructured.Unstructured)
	return wrapper, found && ok, err
}

// holder is the wrapper that counts for an object, nil when none wraps it.
func (c *Cache) holder(wrapped identity) (*unstructured.Unstructured, error) {
	found, err := c.objects.Find(v1alpha1.WrapperKind(wrapped.key.Namespace), byIdentity, wrapped.String())
	if err != nil {
		return nil, err
	}
	var holder *unstructured.Unstructured
	for _, wrapper := range objects(found) {
		if holder == nil || before(wrapper, holder) {
			holder = wrapper
		}
	}
	return holder, nil
}

// wrapping are the known wrappers of an object.
func (c *Cache) wrapping(wrapped identity) []*unstructured.Unstructured {
	found, err := c.objects.Find(v1alpha1.WrapperKind(wrapped.key.Namespace), byIdentity, wrapped.String())
	if err != nil {
		return nil // all of them come when their kind has synced
	}
	return objects(found)
}

// all are the known wrappers of one of the two kinds.
func (c *Cache) all(gvk schema.GroupVersionKind) []*unstructured.Unstructured {
	found, err := c.objects.List(gvk)
	if err != nil {
		return nil
	}
	return objects(found)
}

// WrapperNames are the names of all wrappers that are known.
func (c *Cache) WrapperNames() []types.NamespacedName {
	var names []types.NamespacedName
	for _, gvk := range wrappers {
		for _, wrapper := range c.all(gvk) {
			names = append(names, keyOf(wrapper))
		}
	}
	return names
}

func objects(found []any) []*unstructured.Unstructured {
	all := make([]*unstructured.Unstructured, 0, len(found))
	for _, obj := range found {
		if u, ok := obj.(*unstructured.Unstructured); ok {
			all = append(all, u)
		}
	}
	return all
}

// wrapped are the wrapped templates of a kind, as native ones.
func (c *Cache) wrapped(gvk schema.GroupVersionKind) ([]*unstructured.Unstructured, error) {
	var templates []*unstructured.Unstructured
	for _, kind := range wrappers {
		found, err := c.objects.Find(kind, byKind, gvk.String())
		if err != nil {
			return nil, err
		}
		for _, wrapper := range objects(found) {
			if holder, err := c.Holder(wrapper); err != nil || holder != wrapper {
				continue
			}
			if template, ok := Unwrap(wrapper); ok {
				templates = append(templates, template)
			}
		}
	}
	return templates, nil
}

// List is every template of a kind that is known; they are the cache's own. There may be more: wrapped ones are known before the
// native ones are. The error is objectcache.ErrNotSynced when none is known and the cache cannot tell.
func (c *Cache) List(gvk schema.GroupVersionKind) ([]any, error) {
	known, err := c.list(gvk, metav1.NamespaceAll, func() ([]any, error) { return c.objects.List(gvk) })
	if len(known) > 0 {
		return known, nil
	}
	return known, err
}

// ListIn is every template of a kind in a namespace; they are the cache's own. The error is objectcache.ErrNotSynced when there may be
// more than those that are returned with it, as long as the native ones cannot be read.
func (c *Cache) ListIn(gvk schema.GroupVersionKind, namespace string) ([]any, error) {
	return c.list(gvk, namespace, func() ([]any, error) { return c.objects.ListIn(gvk, namespace) })
}

// list puts the wrapped templates of a kind beside the native ones that they do not hide. Of a kind that the host does not have there
// are only the wrapped, once there is one.
func (c *Cache) list(gvk schema.GroupVersionKind, namespace string, native func() ([]any, error)) ([]any, error) {
	wrapped, err := c.wrapped(gvk)
	if err != nil {
		return nil, err
	}
	natives, err := native()
	if len(wrapped) == 0 {
		return natives, err
	}
	if errors.Is(err, objectcache.ErrNotSynced) && c.objects.State(gvk).Unserved() {
		err = nil
	}
	all := make([]any, 0, len(natives)+len(wrapped))
	hidden := map[types.NamespacedName]bool{}
	for _, template := range wrapped {
		if namespace == metav1.NamespaceAll || template.GetNamespace() == namespace {
			hidden[keyOf(template)] = true
			all = append(all, template)
		}
	}
	for _, obj := range natives {
		if object, ok := obj.(metav1.Object); !ok || !hidden[keyOf(object)] {
			all = append(all, obj)
		}
	}
	return all, err
}

func keyOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}
