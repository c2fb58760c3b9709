package templates

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

// OnEvent calls f for every event of every template, one at a time per watched kind. f must not block. Register before Start.
func (c *Cache) OnEvent(f func(objectcache.Event)) {
	c.objects.OnEvent(func(e objectcache.Event) {
		if told, ok := c.translate(e); ok {
			f(told)
		}
	})
}

// OnWrapper calls f with the name of a wrapper (without a namespace: of a ClusterResourceTemplate) when it, another wrapper of its
// object or a native object of that name came, changed or went, and with every name when a first list has arrived. f must not block.
// Register before Start.
func (c *Cache) OnWrapper(f func(types.NamespacedName)) {
	c.objects.OnEvent(func(e objectcache.Event) {
		wrapped := identity{e.GVK.GroupKind(), keyOf(e.Object)}
		if wrapper, ok := e.Object.(*unstructured.Unstructured); ok && IsWrapper(e.GVK) {
			wrapped, _ = identityOf(wrapper)
		}
		for _, wrapper := range c.wrapping(wrapped) {
			f(keyOf(wrapper))
		}
	})
	c.objects.OnStateChange(func(gvk schema.GroupVersionKind) {
		if IsWrapper(gvk) {
			for _, wrapper := range c.all(gvk) {
				f(keyOf(wrapper))
			}
		}
	})
}

// translate makes the event of a wrapper one of the template in it; what else holds the template then counts. Events of native
// objects that a wrapper hides are false.
func (c *Cache) translate(e objectcache.Event) (objectcache.Event, bool) {
	if !IsWrapper(e.GVK) {
		holder, err := c.holder(identity{e.GVK.GroupKind(), keyOf(e.Object)})
		return e, err != nil || holder == nil
	}
	wrapper, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return e, false
	}
	template, named := Unwrap(wrapper)
	if !named {
		return e, false
	}
	e.GVK, e.Object = template.GroupVersionKind(), template
	obj, found, err := c.Get(e.GVK, keyOf(template))
	if current, ok := obj.(*unstructured.Unstructured); err == nil && found && ok {
		e.Object, e.Deleted = current, false
	}
	e.Before = earlier(e.Before, e.Object)
	return e, true
}

// earlier is the template in what a wrapper was before an update, nil when it is not the one that the event tells of.
func earlier(wrapper, told metav1.Object) metav1.Object {
	u, ok := wrapper.(*unstructured.Unstructured)
	if !ok || u.GetUID() != told.GetUID() {
		return nil
	}
	template, named := Unwrap(u)
	if !named || keyOf(template) != keyOf(told) {
		return nil
	}
	return template
}

// OnStateChange calls f when a kind's watch synced, failed or recovered, for every kind when the wrappers have synced, and when the
// first or the last object of a kind that the host does not have is wrapped. f must not block. Register before Start.
func (c *Cache) OnStateChange(f func(schema.GroupVersionKind)) {
	c.objects.OnStateChange(func(gvk schema.GroupVersionKind) {
		if !IsWrapper(gvk) {
			f(gvk)
			return
		}
		for _, kind := range c.Kinds() {
			f(kind)
		}
	})
	c.objects.OnEvent(func(e objectcache.Event) {
		if e.Initial || !IsWrapper(e.GVK) {
			return
		}
		wrapper, ok := e.Object.(*unstructured.Unstructured)
		if !ok {
			return
		}
		kind, _ := wrappedKind(wrapper)
		if c.objects.State(kind).Err == nil {
			return
		}
		if wrapped, err := c.wrapped(kind); err == nil && turns(wrapped, wrapper, e.Deleted) {
			f(kind)
		}
	})
}

// turns says whether an event is that of the first, or after the last, wrapped object of a kind.
func turns(wrapped []*unstructured.Unstructured, wrapper *unstructured.Unstructured, deleted bool) bool {
	if deleted {
		return len(wrapped) == 0
	}
	return len(wrapped) == 1 && wrapped[0].GetUID() == wrapper.GetUID() && wrapper.GetGeneration() <= 1
}
