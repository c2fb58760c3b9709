package propagation

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

var (
	start      = time.Unix(1_700_000_000, 0)
	deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	configMap  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	web        = Request{GVK: deployment, Key: types.NamespacedName{Namespace: "shop", Name: "web"}}
)

// templates is a cache of templates for tests; a kind is synced as soon as it is in it.
type templates struct {
	objects map[schema.GroupVersionKind][]any
	states  map[schema.GroupVersionKind]objectcache.State
	// wrappers hold some of the objects.
	wrappers map[Request]*unstructured.Unstructured
	onEvent  []func(objectcache.Event)
	onState  []func(schema.GroupVersionKind)
}

func newTemplates(objects ...*unstructured.Unstructured) *templates {
	c := &templates{objects: map[schema.GroupVersionKind][]any{}, states: map[schema.GroupVersionKind]objectcache.State{}}
	for _, obj := range objects {
		c.put(obj)
	}
	return c
}

func (c *templates) put(obj *unstructured.Unstructured) {
	gvk := obj.GroupVersionKind()
	c.drop(gvk, keyOf(obj))
	c.objects[gvk] = append(c.objects[gvk], obj)
	c.states[gvk] = objectcache.State{Watched: true, Synced: true}
}

func (c *templates) drop(gvk schema.GroupVersionKind, key types.NamespacedName) {
	kept := []any{}
	for _, obj := range c.objects[gvk] {
		if keyOf(obj.(metav1.Object)) != key {
			kept = append(kept, obj)
		}
	}
	c.objects[gvk] = kept
}

func (c *templates) Watch(gvk schema.GroupVersionKind) {
	if _, known := c.states[gvk]; !known {
		c.states[gvk] = objectcache.State{Watched: true}
	}
}
func (c *templates) Unwatch(gvk schema.GroupVersionKind)                 { delete(c.states, gvk) }
func (c *templates) State(gvk schema.GroupVersionKind) objectcache.State { return c.states[gvk] }
func (c *templates) OnEvent(f func(objectcache.Event))                   { c.onEvent = append(c.onEvent, f) }
func (c *templates) OnStateChange(f func(schema.GroupVersionKind))       { c.onState = append(c.onState, f) }
func (c *templates) Wrapper(gvk schema.GroupVersionKind, key types.NamespacedName) (*unstructured.Unstructured, error) {
	return c.wrappers[Request{GVK: gvk, Key: key}], nil
}

func (c *templates) Kinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for gvk := range c.states {
		kinds = append(kinds, gvk)
	}
	return kinds
}

func (c *templates) List(gvk schema.GroupVersionKind) ([]any, error) {
	if !c.states[gvk].Synced {
		return nil, objectcache.ErrNotSynced
	}
	return c.objects[gvk], nil
}

func (c *templates) Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error) {
	all, err := c.List(gvk)
	if err != nil {
		return nil, false, err
	}
	for _, obj := range all {
		if keyOf(obj.(metav1.Object)) == key {
			return obj, true, nil
		}
	}
	return nil, false, nil
}

// replicas is an interpreter for tests: spec.replicas, and one CPU each.
type replicas struct{}

func (replicas) Replicas(template *unstructured.Unstructured) (*int32, *v1alpha1.ReplicaRequirements, error) {
	n, found, _ := unstructured.NestedInt64(template.Object, "spec", "replicas")
	if !found {
		return nil, nil, nil
	}
	return ptr.To(int32(n)), &v1alpha1.ReplicaRequirements{Namespace: template.GetNamespace()}, nil
}

// Components of "spec.parts", each with one replica; an object whose "spec.parts" is a string cannot be understood.
func (replicas) Components(template *unstructured.Unstructured) ([]v1alpha1.Component, error) {
	names, _, err := unstructured.NestedStringSlice(template.Object, "spec", "parts")
	var components []v1alpha1.Component
	for _, name := range names {
		components = append(components, v1alpha1.Component{Name: name, Replicas: 1})
	}
	return components, err
}

func object(gvk schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(namespace)
	u.SetName(name)
	u.SetUID(types.UID(name + "-uid"))
	return u
}

// webTemplate is the Deployment web with 3 replicas.
func webTemplate() *unstructured.Unstructured {
	u := object(deployment, "shop", "web")
	u.Object["spec"] = map[string]any{"replicas": int64(3)}
	return u
}

func namespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func shop() *corev1.Namespace {
	return namespace("shop", map[string]string{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled})
}

func selecting(gvk schema.GroupVersionKind, name string) v1alpha1.ResourceSelector {
	return v1alpha1.ResourceSelector{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: name}
}

// webPolicy is a PropagationPolicy of shop for the Deployment web, as the host defaults it.
func webPolicy(name string) *v1alpha1.PropagationPolicy {
	return &v1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Generation: 1, UID: types.UID(name + "-uid")},
		Spec: v1alpha1.PropagationSpec{
			ResourceSelectors: []v1alpha1.ResourceSelector{selecting(deployment, "web")},
			Placement:         v1alpha1.Placement{ClusterAffinity: &v1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}}},
			Priority:          ptr.To[int32](0), Preemption: v1alpha1.PreemptNever,
			SchedulerName: "default-scheduler", ConflictResolution: v1alpha1.ConflictAbort,
		},
	}
}

// bed is a reconciler on a fake host that counts writes.
type bed struct {
	*Reconciler
	host      client.WithWatch
	templates *templates
	clock     *clocktesting.FakePassiveClock
	applies   int
	statuses  int
	deletes   int
	fail      error // the next apply of a binding fails with it
	alive     bool  // live reads find the template
	liveErr   error // live reads fail with it
}

func newBed(t *testing.T, cache *templates, objects ...client.Object) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme), schedulingv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	b := &bed{templates: cache, clock: clocktesting.NewFakePassiveClock(start)}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.ResourceBinding{}, &v1alpha1.ClusterResourceBinding{}, &v1alpha1.PropagationPolicy{}, &v1alpha1.ClusterPropagationPolicy{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
				b.applies++
				if err := b.fail; err != nil {
					b.fail = nil
					return err
				}
				return c.Apply(ctx, obj, opts...)
			},
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				b.statuses++
				return c.SubResource(sub).Apply(ctx, obj, opts...)
			},
			Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
				b.deletes++
				return c.Delete(ctx, obj, opts...)
			},
		})
	if err := hostindex.Register(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	b.host = builder.Build()
	b.restart()
	return b
}

// restart forgets what is in memory.
func (b *bed) restart() {
	b.Reconciler = newReconciler(b.host, liveReader{b}, Options{Templates: b.templates, Interpreter: replicas{}, Clock: b.clock})
}

// indexer registers indexes with a fake client.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

// liveReader answers for templates on the host itself.
type liveReader struct{ b *bed }

func (l liveReader) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	switch {
	case l.b.liveErr != nil:
		return l.b.liveErr
	case l.b.alive:
		return nil
	default:
		return apierrors.NewNotFound(schema.GroupResource{Group: "apps", Resource: "deployments"}, key.Name)
	}
}

func (l liveReader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nobody lists live")
}

func (b *bed) reconcile(t *testing.T, req Request) ctrl.Result {
	t.Helper()
	result, err := b.Reconcile(t.Context(), req)
	if err != nil {
		t.Fatalf("Reconcile(%v): %v", req, err)
	}
	return result
}

// binding reads the binding of a request; nil when there is none.
func (b *bed) binding(t *testing.T, req Request) v1alpha1.Binding {
	t.Helper()
	binding, err := hostindex.Binding(t.Context(), b.host, req.binding())
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return binding
}

// change writes to the host as a user, the scheduler or another controller would.
func (b *bed) change(t *testing.T, obj client.Object) {
	t.Helper()
	if err := b.host.Update(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
}

type writes struct{ Applies, Statuses, Deletes int }

func (b *bed) writes() writes { return writes{b.applies, b.statuses, b.deletes} }
