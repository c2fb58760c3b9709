package membercluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/rewatch"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// requestTimeout bounds one request to a member, so that a member that hangs holds a worker no longer.
const requestTimeout = 10 * time.Second

// byBinding indexes a member's objects by the binding that their marks name.
const byBinding = "binding"

// Member is a connection to one member cluster. It is safe for concurrent use.
type Member struct {
	// Name of the Cluster.
	Name string
	// Objects holds what this host applied in the member, as *Observed, for the kinds that are watched.
	Objects *objectcache.Cache
	// Load tells how much room the member has.
	Load *Load

	client   dynamic.Interface
	mapper   meta.RESTMapper
	observer observer
	token    *atomic.Pointer[string]

	// missing holds the kinds that are watched and that the member does not serve.
	missing  sync.Map
	onServed func()

	mu      sync.Mutex
	answers map[objectKey]answer
	// reads are objects as they were read, until the watch has shown them or later ones.
	reads map[objectKey]*Observed
}

type objectKey struct {
	kind schema.GroupKind
	key  types.NamespacedName
}

// answer is what the member answered to the last apply of an object.
type answer struct {
	accepted applyplan.Accepted
	// newest is the object as answered, until the watch has shown it or a later one.
	newest *Observed
}

// newMember prepares a connection; it does not dial.
func newMember(name string, config *rest.Config, o observer) (*Member, error) {
	m := &Member{Name: name, observer: o, token: &atomic.Pointer[string]{}, answers: map[objectKey]answer{}, reads: map[objectKey]*Observed{}, onServed: func() {}}
	config = rest.CopyConfig(config)
	if token := config.BearerToken; token != "" {
		m.token.Store(&token)
		config.BearerToken = ""
		config.Wrap(m.authorize)
	}
	config.QPS = -1 // the member's priority and fairness does the throttling
	// The innermost of all wrappers, so that it counts what leaves: what a fence of the caller refuses was not sent.
	config.WrapTransport = transport.Wrappers(telemetry.CountWrites(telemetry.MemberTarget, name), config.WrapTransport)
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("preparing the transport to %s: %w", name, err)
	}
	if m.mapper, err = newMapper(config); err != nil {
		return nil, fmt.Errorf("preparing the mapper of %s: %w", name, err)
	}
	if m.client, err = dynamic.NewForConfigAndClient(config, httpClient); err != nil {
		return nil, fmt.Errorf("preparing the client of %s: %w", name, err)
	}
	if m.Load, err = newLoad(config); err != nil {
		return nil, fmt.Errorf("preparing to watch the load of %s: %w", name, err)
	}
	m.Objects = objectcache.New(objectcache.Options{
		Client: m.client, Mapper: m.mapper,
		LabelSelector: v1alpha1.ManagedLabel + "=true",
		Transform:     o.transform,
		Indexers:      toolscache.Indexers{byBinding: bindingOf},
		Pace:          rewatch.Member(),
	})
	m.Objects.OnEvent(m.settle)
	m.Objects.OnStateChange(m.noteServed)
	return m, nil
}

// noteServed tells when a kind that was missing is served.
func (m *Member) noteServed(gvk schema.GroupVersionKind) {
	if meta.IsNoMatchError(m.Objects.State(gvk).Err) {
		m.missing.Store(gvk, true)
		return
	}
	if _, missed := m.missing.LoadAndDelete(gvk); missed {
		m.onServed()
	}
}

// newMapper makes a mapper with a client of its own: discovery takes no context, so its requests need a timeout, and
// watches must not have one.
func newMapper(config *rest.Config) (meta.RESTMapper, error) {
	config = rest.CopyConfig(config)
	config.Timeout = requestTimeout
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	return apiutil.NewDynamicRESTMapper(config, httpClient)
}

// roundTripper is a function that sends a request.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// authorize adds the newest token to each request, so that a renewed token restarts no watch.
func (m *Member) authorize(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+*m.token.Load())
		return next.RoundTrip(r)
	})
}

func bindingOf(obj any) ([]string, error) {
	observed, ok := obj.(*Observed)
	if !ok || !observed.Live.Ours || observed.Live.Binding == "" {
		return nil, nil
	}
	return []string{observed.Live.Binding}, nil
}

// settle lets go of answers that the watch has caught up with.
func (m *Member) settle(e objectcache.Event) {
	key := objectKey{e.GVK.GroupKind(), types.NamespacedName{Namespace: e.Object.GetNamespace(), Name: e.Object.GetName()}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if read := m.reads[key]; read != nil && (e.Deleted && read.UID == e.Object.GetUID() || !isNewer(read, e.Object)) {
		delete(m.reads, key)
	}
	a, known := m.answers[key]
	switch {
	case !known:
	case e.Deleted && a.accepted.UID == e.Object.GetUID():
		delete(m.answers, key)
	case a.newest != nil && !isNewer(a.newest, e.Object):
		a.newest = nil
		m.answers[key] = a
	}
}

// isNewer says whether a was written after b.
func isNewer(a, b metav1.Object) bool {
	order, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	return err == nil && order > 0
}

// Known is what the member is known to hold under a name, as told by its watch or, where that is newer, by
// its answer to the last apply or to Refresh; and what it made of that apply, if there was one in this process's life.
// The object is nil when neither knows of one, which is no evidence. The error is objectcache.ErrNotSynced
// when the watch cannot tell.
func (m *Member) Known(gvk schema.GroupVersionKind, key types.NamespacedName) (*Observed, *applyplan.Accepted, error) {
	obj, found, err := m.Objects.Get(gvk, key)
	if err != nil {
		return nil, nil, err
	}
	observed, _ := obj.(*Observed)
	m.mu.Lock()
	defer m.mu.Unlock()
	if read := m.reads[objectKey{gvk.GroupKind(), key}]; found && read != nil && isNewer(read, observed) {
		observed = read
	}
	a, applied := m.answers[objectKey{gvk.GroupKind(), key}]
	if !applied {
		return observed, nil, nil
	}
	if found && a.newest != nil && isNewer(a.newest, observed) {
		observed = a.newest
	}
	return observed, &a.accepted, nil
}

// OfBinding is what the member holds, as far as its watches have told, for a binding ("namespace/name").
func (m *Member) OfBinding(binding string) ([]*Observed, error) {
	objects, err := m.Objects.ByIndex(byBinding, binding)
	if err != nil {
		return nil, err
	}
	observed := make([]*Observed, 0, len(objects))
	for _, obj := range objects {
		if o, ok := obj.(*Observed); ok {
			observed = append(observed, o)
		}
	}
	return observed, nil
}

// Read reads an object from the member itself; nil when it does not exist there. An error with
// meta.IsNoMatchError says that the member does not serve the kind.
func (m *Member) Read(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName) (*Observed, error) {
	u, err := m.Get(ctx, gvk, key)
	if err != nil || u == nil {
		return nil, err
	}
	return m.observer.observe(u)
}

// Refresh reads an object as Read does. Until the watch has caught up, Known tells of what was read.
func (m *Member) Refresh(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName) (*Observed, error) {
	read, err := m.Read(ctx, gvk, key)
	if err != nil || read == nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// Where the watch has shown it already, nothing would take it out again.
	obj, _, _ := m.Objects.Get(gvk, key)
	if shown, ok := obj.(*Observed); !ok || isNewer(read, shown) {
		m.reads[objectKey{gvk.GroupKind(), key}] = read
	}
	return read, nil
}

// Get reads a whole object from the member itself; nil when it does not exist there. Its errors are those of Read.
func (m *Member) Get(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName) (*unstructured.Unstructured, error) {
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
	return u, nil
}

// Apply applies a manifest to a known object, or creates one (nil). A known object is forced: fields that others own
// are taken; but only if it is still the one that was observed, otherwise the member answers with a conflict. One that is not
// this host's must not even have changed since: another host may have taken it; nor must one whose manifest names a resource
// version. A new one must not exist, not even as another host's.
func (m *Member) Apply(ctx context.Context, manifest *unstructured.Unstructured, hash string, known *Observed) (*Observed, error) {
	u, err := m.send(ctx, manifest, known, metav1.ApplyOptions{})
	if err != nil {
		return nil, fmt.Errorf("applying %s %s in %s: %w", manifest.GetKind(), manifest.GetName(), m.Name, err)
	}
	observed, err := m.observer.observe(u)
	if err != nil {
		return nil, err
	}
	m.remember(observed, hash, observed)
	return observed, nil
}

// Foresee asks the member what it would make of a manifest if that were applied to a known object; nothing is changed.
// From then on this counts as the member's answer.
func (m *Member) Foresee(ctx context.Context, manifest *unstructured.Unstructured, hash string, known *Observed) (*unstructured.Unstructured, *applyplan.Accepted, error) {
	u, err := m.send(ctx, manifest, known, metav1.ApplyOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, nil, fmt.Errorf("asking %s what it would make of %s %s: %w", m.Name, manifest.GetKind(), manifest.GetName(), err)
	}
	observed, err := m.observer.observe(u)
	if err != nil {
		return nil, nil, err
	}
	return u, m.remember(observed, hash, nil), nil
}

// remember keeps the member's answer to a manifest, and the object as answered where there is one (newest).
func (m *Member) remember(observed *Observed, hash string, newest *Observed) *applyplan.Accepted {
	key := objectKey{observed.Kind.GroupKind(), types.NamespacedName{Namespace: observed.Namespace, Name: observed.Name}}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.answers[key]
	a.accepted = applyplan.Accepted{UID: observed.UID, Hash: hash, Owned: observed.Live.Owned}
	if newest != nil {
		a.newest = newest
	}
	m.answers[key] = a
	return &a.accepted
}

// send applies a manifest under the conditions that Apply tells of.
func (m *Member) send(ctx context.Context, manifest *unstructured.Unstructured, known *Observed, o metav1.ApplyOptions) (*unstructured.Unstructured, error) {
	manifest = manifest.DeepCopy()
	switch {
	case known == nil:
		manifest.SetResourceVersion(objectpatch.AbsentVersion)
	case !known.Live.Ours:
		manifest.SetResourceVersion(known.ResourceVersion)
		fallthrough
	default:
		manifest.SetUID(known.UID)
	}
	resource, err := m.resource(manifest.GroupVersionKind(), manifest.GetNamespace())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	o.FieldManager, o.Force = applyplan.FieldManager, known != nil
	return resource.Apply(ctx, manifest.GetName(), manifest, o)
}

// Delete deletes an object, if it is still the one that was observed. Of what belongs to it, such as its pods, propagation says when it goes:
// in the foreground before it, so that the object stays until then, or in the background after it.
func (m *Member) Delete(ctx context.Context, o *Observed, propagation metav1.DeletionPropagation) error {
	resource, err := m.resource(o.Kind, o.Namespace)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err = resource.Delete(ctx, o.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &o.UID}, PropagationPolicy: &propagation,
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s %s/%s in %s: %w", o.Kind.Kind, o.Namespace, o.Name, m.Name, err)
	}
	return nil
}

// Release takes Flotilla's marks off an object, if it is still the one that was observed, and leaves it.
func (m *Member) Release(ctx context.Context, o *Observed) error {
	resource, err := m.resource(o.Kind, o.Namespace)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":    o.UID,
		"labels": map[string]any{v1alpha1.ManagedLabel: nil},
		"annotations": map[string]any{
			v1alpha1.HostAnnotation: nil, v1alpha1.BindingAnnotation: nil, v1alpha1.HashAnnotation: nil,
			v1alpha1.WrittenAnnotation: nil,
		},
	}})
	if err != nil {
		return fmt.Errorf("encoding the release of %s: %w", o.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = resource.Patch(ctx, o.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: applyplan.FieldManager})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("releasing %s %s/%s in %s: %w", o.Kind.Kind, o.Namespace, o.Name, m.Name, err)
	}
	return nil
}

// Mark makes an object this host's, if nobody has changed it since it was observed, and leaves the rest of it as it is. written is the
// mark that says when; empty for none.
func (m *Member) Mark(ctx context.Context, o *Observed, written string) (*Observed, error) {
	resource, err := m.resource(o.Kind, o.Namespace)
	if err != nil {
		return nil, err
	}
	annotations := map[string]any{v1alpha1.HostAnnotation: m.observer.hostUID, v1alpha1.WrittenAnnotation: written}
	if written == "" {
		annotations[v1alpha1.WrittenAnnotation] = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": o.UID, "resourceVersion": o.ResourceVersion, "annotations": annotations,
	}})
	if err != nil {
		return nil, fmt.Errorf("encoding the marks of %s: %w", o.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	u, err := resource.Patch(ctx, o.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: applyplan.FieldManager})
	if err != nil {
		return nil, fmt.Errorf("marking %s %s/%s in %s: %w", o.Kind.Kind, o.Namespace, o.Name, m.Name, err)
	}
	return m.observer.observe(u)
}

// EnsureNamespace creates a namespace that objects need. It carries this host's marks but names no binding,
// so that it is never deleted because of one.
func (m *Member) EnsureNamespace(ctx context.Context, name string) error {
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{
			"name":        name,
			"labels":      map[string]any{v1alpha1.ManagedLabel: "true"},
			"annotations": map[string]any{v1alpha1.HostAnnotation: m.observer.hostUID},
		},
	}}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := m.client.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Create(ctx, namespace, metav1.CreateOptions{FieldManager: applyplan.FieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %s in %s: %w", name, m.Name, err)
	}
	return nil
}

func (m *Member) resource(gvk schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := m.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("finding %s in %s: %w", gvk.Kind, m.Name, err)
	}
	if namespaced := mapping.Scope.Name() == meta.RESTScopeNameNamespace; namespaced != (namespace != "") {
		return nil, apierrors.NewBadRequest(wrongScope(gvk.Kind, namespaced))
	}
	if namespace != "" {
		return m.client.Resource(mapping.Resource).Namespace(namespace), nil
	}
	return m.client.Resource(mapping.Resource), nil
}

// wrongScope says what is wrong with a template that has a namespace where the member's kind has none, or none where it has one. It
// must not become an object that reaches farther than the template does.
func wrongScope(kind string, namespaced bool) string {
	if namespaced {
		return "the objects of kind " + kind + " lie in namespaces there, and this one has none: wrap it in a ResourceTemplate of the namespace"
	}
	return "the objects of kind " + kind + " lie in no namespace there, and this one has one: wrap it in a ClusterResourceTemplate"
}
