package templates

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

var (
	configMaps = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	widgets    = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}
	resources  = map[schema.GroupKind]schema.GroupVersionResource{
		configMaps.GroupKind():                      {Version: "v1", Resource: "configmaps"},
		secrets.GroupKind():                         {Version: "v1", Resource: "secrets"},
		v1alpha1.WrapperKind("").GroupKind():        v1alpha1.GroupVersion.WithResource("clusterresourcetemplates"),
		v1alpha1.WrapperKind("default").GroupKind(): v1alpha1.GroupVersion.WithResource("resourcetemplates"),
	}
)

// mapper knows the kinds that the host serves: no Widgets.
type mapper struct{ meta.RESTMapper }

func (mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	gvr, known := resources[gk]
	if !known {
		return nil, &meta.NoKindMatchError{GroupKind: gk, SearchedVersions: versions}
	}
	return &meta.RESTMapping{Resource: gvr, GroupVersionKind: gk.WithVersion(versions[0])}, nil
}

func parse(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &obj.Object); err != nil {
		t.Fatalf("reading %s: %v", document, err)
	}
	return obj
}

const wrapperOf = "apiVersion: flotilla.dev/v1alpha1\nkind: ResourceTemplate\n"

func native(t *testing.T, name, color string) *unstructured.Unstructured {
	return parse(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop, name: "+name+"}\ndata: {color: "+color+"}\n")
}

func wrapped(t *testing.T, wrapper, created, object string) *unstructured.Unstructured {
	t.Helper()
	return parse(t, wrapperOf+"metadata: {namespace: shop, name: "+wrapper+", uid: uid-"+wrapper+", creationTimestamp: "+created+"}\nspec:\n  manifest: "+object+"\n")
}

type bed struct {
	*Cache
	client *fake.FakeDynamicClient

	mu       sync.Mutex
	events   []string
	wrappers []string
	states   []schema.GroupVersionKind
	watched  []string
}

func start(t *testing.T, objects ...runtime.Object) *bed {
	t.Helper()
	lists := map[schema.GroupVersionResource]string{}
	for gk, gvr := range resources {
		if gvr.Resource != "" {
			lists[gvr] = gk.Kind + "List"
		}
	}
	b := &bed{client: fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...)}
	// The fake client does not repeat what happens between a list and the watch that follows it: start waits for the watches.
	b.client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		w, err := b.client.Tracker().Watch(action.GetResource(), action.GetNamespace(), action.(clienttesting.WatchActionImpl).ListOptions)
		b.note(&b.watched, action.GetResource().Resource)
		return true, w, err
	})
	b.Cache = New(objectcache.Options{Client: b.client, Mapper: mapper{}})
	b.OnEvent(func(e objectcache.Event) {
		color, _, _ := unstructured.NestedString(e.Object.(*unstructured.Unstructured).Object, "data", "color")
		text := e.GVK.Kind + " " + e.Object.GetName() + " " + color
		if before, ok := e.Before.(*unstructured.Unstructured); ok {
			color, _, _ := unstructured.NestedString(before.Object, "data", "color")
			text += " that was " + color
		}
		if e.Deleted {
			text += " deleted"
		}
		b.note(&b.events, text)
	})
	b.OnWrapper(func(key types.NamespacedName) { b.note(&b.wrappers, key.String()) })
	b.OnStateChange(func(gvk schema.GroupVersionKind) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.states = append(b.states, gvk)
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = b.Start(ctx)
	}()
	t.Cleanup(func() { cancel(); <-stopped })
	b.Watch(configMaps)
	b.eventually(t, "the first lists", func() bool { return b.State(configMaps).Synced })
	b.saw(t, &b.watched, resources[configMaps.GroupKind()].Resource)
	b.saw(t, &b.watched, resources[v1alpha1.WrapperKind("shop").GroupKind()].Resource)
	return b
}

func (b *bed) note(list *[]string, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*list = append(*list, text)
}

// shows waits until a ConfigMap has a color. Events do not tell: the first lists may have brought them before.
func (b *bed) shows(t *testing.T, name, color string) {
	t.Helper()
	b.eventually(t, name+" "+color, func() bool {
		obj, found, err := b.Get(configMaps, types.NamespacedName{Namespace: "shop", Name: name})
		if err != nil || !found {
			return false
		}
		got, _, _ := unstructured.NestedString(obj.(*unstructured.Unstructured).Object, "data", "color")
		return got == color
	})
}

func (b *bed) eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (b *bed) saw(t *testing.T, list *[]string, text string) {
	t.Helper()
	b.eventually(t, text, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Contains(*list, text)
	})
}

// colors are the templates that the cache shows, by name.
func (b *bed) colors(t *testing.T) map[string]string {
	t.Helper()
	all, err := b.ListIn(configMaps, "shop")
	if err != nil {
		t.Fatalf("listing: %v", err)
	}
	shown := map[string]string{}
	for _, obj := range all {
		u := obj.(*unstructured.Unstructured)
		color, _, _ := unstructured.NestedString(u.Object, "data", "color")
		if _, twice := shown[u.GetName()]; twice {
			t.Errorf("%s is listed twice", u.GetName())
		}
		shown[u.GetName()] = color
		got, found, err := b.Get(configMaps, keyOf(u))
		if err != nil || !found || cmp.Diff(u, got) != "" {
			t.Errorf("Get(%s) = %v, %t, %v; List() has %v", u.GetName(), got, found, err, u)
		}
	}
	return shown
}

func (b *bed) delete(t *testing.T, name string) {
	t.Helper()
	if err := b.client.Resource(resources[v1alpha1.WrapperKind("shop").GroupKind()]).Namespace("shop").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

const inside = "{apiVersion: v1, kind: ConfigMap, metadata: {name: both}, data: {color: "

func TestAWrappedTemplateComesBeforeANativeOneAndTheOlderWrapperBeforeTheNewer(t *testing.T) {
	b := start(t, native(t, "both", "native"), native(t, "plain", "native"),
		wrapped(t, "new", "\"2026-01-02T00:00:00Z\"", inside+"new}}"), wrapped(t, "old", "\"2026-01-01T00:00:00Z\"", inside+"old}}"))
	if diff := cmp.Diff(map[string]string{"both": "old", "plain": "native"}, b.colors(t)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	holder, err := b.Wrapper(configMaps, types.NamespacedName{Namespace: "shop", Name: "both"})
	if err != nil || holder.GetName() != "old" {
		t.Errorf("Wrapper() = %v, %v", holder, err)
	}
	b.delete(t, "old")
	b.shows(t, "both", "new")
	b.saw(t, &b.events, "ConfigMap both new")
	b.saw(t, &b.wrappers, "shop/new")
	if diff := cmp.Diff(map[string]string{"both": "new", "plain": "native"}, b.colors(t)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	b.delete(t, "new")
	b.shows(t, "both", "native")
	b.saw(t, &b.events, "ConfigMap both native")
	if diff := cmp.Diff(map[string]string{"both": "native", "plain": "native"}, b.colors(t)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

func TestAnUpdateTellsWhatTheTemplateWasWrappedOrNot(t *testing.T) {
	const since = "\"2026-01-01T00:00:00Z\""
	b := start(t, native(t, "plain", "red"), wrapped(t, "w", since, inside+"red}}"))
	for _, changed := range []*unstructured.Unstructured{native(t, "plain", "blue"), wrapped(t, "w", since, inside+"blue}}")} {
		client := b.client.Resource(resources[changed.GroupVersionKind().GroupKind()]).Namespace("shop")
		if _, err := client.Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	b.saw(t, &b.events, "ConfigMap plain blue that was red")
	b.saw(t, &b.events, "ConfigMap both blue that was red")
}

func TestAKindThatTheHostLacksIsThereOnceAnObjectOfItIsWrapped(t *testing.T) {
	b := start(t)
	b.Watch(widgets)
	b.eventually(t, "the host's refusal", func() bool { return meta.IsNoMatchError(b.State(widgets).Err) })
	key := types.NamespacedName{Namespace: "shop", Name: "w"}
	if _, _, err := b.Get(widgets, key); !errors.Is(err, objectcache.ErrNotSynced) {
		t.Errorf("Get() of a kind that is not served = %v, want ErrNotSynced", err)
	}
	wrapper := wrapped(t, "w", "\"2026-01-01T00:00:00Z\"", "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}")
	if _, err := b.client.Resource(resources[v1alpha1.WrapperKind("shop").GroupKind()]).Namespace("shop").Create(t.Context(), wrapper, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.saw(t, &b.events, "Widget w ")
	if diff := cmp.Diff(objectcache.State{Watched: true, Synced: true}, b.State(widgets)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if all, err := b.List(widgets); len(all) != 1 || err != nil {
		t.Errorf("List() = %v, %v", all, err)
	}
	if got := b.Kinds(); !slices.Contains(got, widgets) || len(got) != 2 {
		t.Errorf("Kinds() = %v, want those that were asked for", got)
	}
	b.delete(t, "w")
	b.saw(t, &b.events, "Widget w  deleted")
	b.eventually(t, "the host's refusal again", func() bool { return b.State(widgets).Err != nil })
}

var secrets = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}

// TestWhatTheHostDoesNotTellOfAKindIsNoEvidence lets every list of a kind fail, one object of which is wrapped.
func TestWhatTheHostDoesNotTellOfAKindIsNoEvidence(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	for name, tc := range map[string]struct {
		err      error
		synced   bool // as good as
		complete bool // the wrapped one is all there is
	}{
		"it is not served":         {apierrors.NewNotFound(resource, ""), true, true},
		"it cannot be listed":      {apierrors.NewMethodNotSupported(resource, "list"), true, true},
		"it may not be read":       {apierrors.NewForbidden(resource, "", nil), true, false},
		"the host is overburdened": {apierrors.NewTooManyRequests("later", 1), false, false},
		"the host is starting":     {apierrors.NewServiceUnavailable("starting"), false, false},
		"conversion fails":         {apierrors.NewInternalError(errors.New("the webhook does not answer")), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, wrapped(t, "w", "\"2026-01-01T00:00:00Z\"", "{apiVersion: v1, kind: Secret, metadata: {name: w}}"))
			b.client.PrependReactor("list", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, tc.err })
			b.Watch(secrets)
			b.eventually(t, "the host's refusal", func() bool { return b.objects.State(secrets).Err != nil })
			if got := b.State(secrets).Synced; got != tc.synced {
				t.Errorf("Synced = %t, want %t", got, tc.synced)
			}
			all, err := b.ListIn(secrets, "shop")
			if len(all) != 1 || (err == nil) != tc.complete || (err != nil && !errors.Is(err, objectcache.ErrNotSynced)) {
				t.Errorf("ListIn() = %v, %v, want the wrapped one and whether that is all: %t", all, err, tc.complete)
			}
			if all, err := b.List(secrets); len(all) != 1 || err != nil {
				t.Errorf("List() = %v, %v, want the wrapped one", all, err)
			}
			if _, _, err := b.Get(secrets, types.NamespacedName{Namespace: "shop", Name: "other"}); !errors.Is(err, objectcache.ErrNotSynced) {
				t.Errorf("Get() of another one = %v, want ErrNotSynced", err)
			}
		})
	}
}

func TestUnwrapTakesWhatMembersGetFromTheManifestAndTheRestFromTheWrapper(t *testing.T) {
	wrapper := parse(t, wrapperOf+`
metadata: {namespace: shop, name: any, uid: u, generation: 3, resourceVersion: "7", labels: {of: wrapper}, finalizers: [a/b], creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  manifest:
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: both, namespace: elsewhere, uid: lie, labels: {of: manifest}, annotations: {a: b}, ownerReferences: [{}]}
    data: {color: red}
    status: {from: the user}
status: {conditions: [], manifest: {from: members}}
`)
	before := wrapper.DeepCopy()
	want := parse(t, `
apiVersion: v1
kind: ConfigMap
metadata: {name: both, namespace: shop, uid: u, generation: 3, resourceVersion: "7", labels: {of: manifest}, annotations: {a: b}, creationTimestamp: "2026-01-01T00:00:00Z"}
data: {color: red}
status: {from: members}
`)
	got, ok := Unwrap(wrapper)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("ok %t, (-want +got):\n%s", ok, diff)
	}
	if diff := cmp.Diff(before, wrapper); diff != "" {
		t.Errorf("the wrapper was changed:\n%s", diff)
	}
}

func TestUnwrapIsFalseForWhatNamesNothing(t *testing.T) {
	for name, document := range map[string]string{
		"no wrapper":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		"no spec":     wrapperOf + "metadata: {name: a}\n",
		"no manifest": wrapperOf + "spec: {manifest: 7}\n",
		"no kind":     wrapperOf + "spec: {manifest: {apiVersion: v1, metadata: {name: a}}}\n",
		"no version":  wrapperOf + "spec: {manifest: {kind: A, metadata: {name: a}}}\n",
		"no name":     wrapperOf + "spec: {manifest: {apiVersion: v1, kind: A, metadata: {}}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := Unwrap(parse(t, document)); ok {
				t.Errorf("Unwrap() = %v", got)
			}
		})
	}
}
