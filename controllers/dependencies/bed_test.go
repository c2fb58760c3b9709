package dependencies

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

var (
	deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	configMap  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
)

// templates is a cache of templates for tests. Every kind has synced but those that are starting.
type templates struct {
	objects  map[object]*unstructured.Unstructured
	watched  map[schema.GroupVersionKind]bool
	starting map[schema.GroupVersionKind]bool
}

func (c *templates) put(t *testing.T, manifests ...string) {
	t.Helper()
	for _, manifest := range manifests {
		u := &unstructured.Unstructured{}
		raw, err := yaml.YAMLToJSON([]byte(manifest))
		if err != nil {
			t.Fatal(err)
		}
		if err := u.UnmarshalJSON(raw); err != nil {
			t.Fatal(err)
		}
		u.SetNamespace("shop")
		u.SetUID(types.UID(u.GetName() + "-uid"))
		c.objects[object{u.GroupVersionKind(), client.ObjectKeyFromObject(u)}] = u
	}
}

func (c *templates) drop(gvk schema.GroupVersionKind, name string) {
	delete(c.objects, object{gvk, types.NamespacedName{Namespace: "shop", Name: name}})
}

func (c *templates) Watch(gvk schema.GroupVersionKind)           { c.watched[gvk] = true }
func (c *templates) OnEvent(func(objectcache.Event))             {}
func (c *templates) OnStateChange(func(schema.GroupVersionKind)) {}
func (c *templates) synced(gvk schema.GroupVersionKind) error {
	if !c.watched[gvk] || c.starting[gvk] {
		return objectcache.ErrNotSynced
	}
	return nil
}

func (c *templates) Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error) {
	obj, found := c.objects[object{gvk, key}]
	return obj, found, c.synced(gvk)
}

func (c *templates) ListIn(gvk schema.GroupVersionKind, namespace string) ([]any, error) {
	if err := c.synced(gvk); err != nil {
		return nil, err
	}
	var all []any
	for o, obj := range c.objects {
		if o.gvk == gvk && o.key.Namespace == namespace {
			all = append(all, obj)
		}
	}
	return all, nil
}

// native is the interpreter, which can be told what an object needs, and to fail.
type native struct {
	*interpreter.Interpreter
	needs map[string][]interpreter.Dependency // by the object's name
	err   error
}

func (n *native) Dependencies(obj *unstructured.Unstructured) ([]interpreter.Dependency, error) {
	if needs, told := n.needs[obj.GetName()]; told || n.err != nil {
		return needs, n.err
	}
	return n.Interpreter.Dependencies(obj)
}

// bed is a reconciler on a fake host that counts writes.
type bed struct {
	*Reconciler
	host      client.WithWatch
	cache     *cache
	clock     *clocktesting.FakePassiveClock
	templates *templates
	native    *native
	applies   int
	deletes   int
}

func newBed(t *testing.T, objects ...client.Object) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := &bed{
		native: &native{Interpreter: interpreter.New(), needs: map[string][]interpreter.Dependency{}},
		templates: &templates{
			objects: map[object]*unstructured.Unstructured{}, starting: map[schema.GroupVersionKind]bool{},
			watched: map[schema.GroupVersionKind]bool{deployment: true, configMap: true},
		},
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithGlobalResourceVersionCounter().
		WithStatusSubresource(&v1alpha1.ResourceBinding{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
				b.applies++
				return c.Apply(ctx, obj, opts...)
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
	b.cache = &cache{WithWatch: b.host, shown: b.host}
	b.clock = clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0))
	b.Reconciler = newReconciler(b.cache, b.host, Options{Templates: b.templates, Interpreter: b.native, Interests: NewInterests(), Clock: b.clock})
	return b
}

// cache reads what is shown, and writes to the host.
type cache struct {
	client.WithWatch
	shown client.Reader
}

func (c *cache) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	return c.shown.Get(ctx, key, obj, opts...)
}

func (c *cache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return c.shown.List(ctx, list, opts...)
}

// blink lets the cache show for good what the host has now; the function returned lets it catch up.
func (b *bed) blink(t *testing.T) (catchUp func()) {
	t.Helper()
	var bindings v1alpha1.ResourceBindingList
	var clusters v1alpha1.ClusterList
	if err := errors.Join(b.host.List(t.Context(), &bindings), b.host.List(t.Context(), &clusters)); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(b.host.Scheme()).WithLists(&bindings, &clusters)
	if err := hostindex.Register(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	b.cache.shown = builder.Build()
	return func() { b.cache.shown = b.host }
}

// binding is one that the host has.
func (b *bed) binding(t *testing.T, key types.NamespacedName) *v1alpha1.ResourceBinding {
	t.Helper()
	binding := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), key, binding); err != nil {
		t.Fatal(err)
	}
	return binding
}

// indexer registers indexes with a fake client.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

// owner is the binding of a Deployment that takes along what it needs, to the clusters given.
func owner(name string, clusters ...string) *v1alpha1.ResourceBinding {
	return bindingOf(deployment, name, clusters...)
}

func bindingOf(gvk schema.GroupVersionKind, name string, clusters ...string) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{}
	b.Namespace, b.Name, b.Finalizers = "shop", v1alpha1.BindingName(gvk.Group, gvk.Kind, name), []string{v1alpha1.BindingFinalizer}
	b.UID = types.UID(b.Name + "-uid")
	b.Spec = v1alpha1.BindingSpec{
		Resource:      v1alpha1.ObjectReference{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: "shop", Name: name},
		Policy:        &v1alpha1.PolicyReference{Kind: "PropagationPolicy", Namespace: "shop", Name: "all"},
		Placement:     &v1alpha1.Placement{},
		PropagateDeps: true,
		Clusters:      named(clusters...),
	}
	return b
}

func named(clusters ...string) []v1alpha1.TargetCluster {
	var list []v1alpha1.TargetCluster
	for _, name := range clusters {
		list = append(list, v1alpha1.TargetCluster{Name: name})
	}
	return list
}

func keyOf(gvk schema.GroupVersionKind, name string) types.NamespacedName {
	return bindingKey(gvk, "shop", name)
}

// reconcile looks at an owner until it is content.
func (b *bed) reconcile(t *testing.T, key types.NamespacedName) ctrl.Result {
	t.Helper()
	result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		t.Fatalf("Reconcile(%s): %v", key, err)
	}
	return result
}

// required is who requires what, by the kind and name of the template, for each binding that somebody requires.
func (b *bed) required(t *testing.T) map[string][]v1alpha1.BindingSnapshot {
	t.Helper()
	var list v1alpha1.ResourceBindingList
	if err := b.host.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string][]v1alpha1.BindingSnapshot{}
	for _, binding := range list.Items {
		if len(binding.Spec.RequiredBy) > 0 && binding.DeletionTimestamp == nil {
			all[binding.Spec.Resource.Kind+" "+binding.Spec.Resource.Name] = binding.Spec.RequiredBy
		}
	}
	return all
}

// change changes a binding as others would.
func (b *bed) change(t *testing.T, key types.NamespacedName, change func(*v1alpha1.ResourceBinding)) {
	t.Helper()
	binding := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), key, binding); err != nil {
		t.Fatal(err)
	}
	status := binding.DeepCopy()
	change(binding)
	change(status)
	if err := errors.Join(b.host.Update(t.Context(), binding)); err != nil {
		t.Fatal(err)
	}
	status.ResourceVersion = binding.ResourceVersion
	if err := b.host.Status().Update(t.Context(), status); err != nil {
		t.Fatal(err)
	}
}

// remove takes an owner away for good.
func (b *bed) remove(t *testing.T, key types.NamespacedName) {
	t.Helper()
	b.change(t, key, func(binding *v1alpha1.ResourceBinding) { binding.Finalizers = nil })
	binding := &v1alpha1.ResourceBinding{}
	binding.Namespace, binding.Name = key.Namespace, key.Name
	if err := b.host.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	b.deletes--
}

// held says in which clusters a binding has something.
func held(clusters ...string) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) {
		b.Status.AggregatedStatus = nil
		for _, name := range clusters {
			b.Status.AggregatedStatus = append(b.Status.AggregatedStatus, v1alpha1.AggregatedStatusItem{ClusterName: name})
		}
	}
}

// decided says where a binding goes.
func decided(clusters ...string) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) { b.Spec.Clusters = named(clusters...) }
}

// read reads a field of a manifest's text.
func read(manifest string, path ...string) string {
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &fields); err != nil {
		return err.Error()
	}
	value, _, _ := unstructured.NestedString(fields, path...)
	return value
}

func nameOf(manifest string) string { return read(manifest, "metadata", "name") }
func kindOf(manifest string) string { return read(manifest, "kind") }
