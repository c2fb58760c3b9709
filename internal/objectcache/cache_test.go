package objectcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic/fake"
	toolscache "k8s.io/client-go/tools/cache"
)

var (
	widgetKind     = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}
	widgetResource = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
)

// mapper knows Widget once it is told to.
type mapper struct {
	meta.RESTMapper
	mu    sync.Mutex
	knows bool
}

func (m *mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.knows || gk != widgetKind.GroupKind() {
		return nil, &meta.NoKindMatchError{GroupKind: gk, SearchedVersions: versions}
	}
	return &meta.RESTMapping{Resource: widgetResource, GroupVersionKind: widgetKind, Scope: meta.RESTScopeNamespace}, nil
}

func (m *mapper) learn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.knows = true
}

func widget(name, color string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"color": color}}
	u.SetGroupVersionKind(widgetKind)
	u.SetNamespace("shop")
	u.SetName(name)
	return u
}

// bed is a running cache of a cluster that knows Widget.
type bed struct {
	cache  *Cache
	mapper *mapper
	client *fake.FakeDynamicClient
	events chan Event
	states chan schema.GroupVersionKind
}

func start(t *testing.T, knows bool, objects ...runtime.Object) *bed {
	t.Helper()
	b := &bed{
		mapper: &mapper{knows: knows},
		client: fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{widgetResource: "WidgetList"}, objects...),
		events: make(chan Event, 100), states: make(chan schema.GroupVersionKind, 100),
	}
	b.cache = New(Options{Client: b.client, Mapper: b.mapper, Indexers: toolscache.Indexers{"color": func(obj any) ([]string, error) {
		color, _, _ := unstructured.NestedString(obj.(*unstructured.Unstructured).Object, "color")
		return []string{color}, nil
	}}})
	b.cache.OnEvent(func(e Event) { b.events <- e })
	b.cache.OnStateChange(func(gvk schema.GroupVersionKind) { b.states <- gvk })
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = b.cache.Start(ctx)
	}()
	t.Cleanup(func() { cancel(); <-stopped })
	return b
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (b *bed) nextEvent(t *testing.T) string {
	t.Helper()
	select {
	case e := <-b.events:
		text := e.GVK.Kind + " " + e.Object.GetName()
		if before, ok := e.Before.(*unstructured.Unstructured); ok {
			text += fmt.Sprint(" that was ", before.Object["color"])
		}
		if e.Initial {
			text += " initial"
		}
		if e.Deleted {
			text += " deleted"
		}
		return text
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
		return ""
	}
}

func TestAWatchedKindIsListedThenFollowed(t *testing.T) {
	b := start(t, true, widget("a", "red"))
	if _, _, err := b.cache.Get(widgetKind, types.NamespacedName{Namespace: "shop", Name: "a"}); !errors.Is(err, ErrNotSynced) {
		t.Errorf("Get() of a kind that is not watched = %v, want ErrNotSynced", err)
	}
	b.cache.Watch(widgetKind)
	b.cache.Watch(widgetKind) // asking again changes nothing
	if got, want := b.nextEvent(t), "Widget a initial"; got != want {
		t.Errorf("first event = %q, want %q", got, want)
	}
	eventually(t, "sync", func() bool { return b.cache.State(widgetKind).Synced })
	if _, err := b.client.Resource(widgetResource).Namespace("shop").Create(t.Context(), widget("b", "blue"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.nextEvent(t), "Widget b"; got != want {
		t.Errorf("second event = %q, want %q", got, want)
	}
	obj, found, err := b.cache.Get(widgetKind, types.NamespacedName{Namespace: "shop", Name: "b"})
	if err != nil || !found || obj.(*unstructured.Unstructured).GetName() != "b" {
		t.Errorf("Get(b) = %v, %v, %v", obj, found, err)
	}
	blue, err := b.cache.ByIndex("color", "blue")
	if err != nil || len(blue) != 1 {
		t.Errorf("ByIndex(blue) = %v, %v, want one object", blue, err)
	}
	names := []string{}
	for _, e := range b.cache.Held() {
		names = append(names, fmt.Sprint(e.GVK.Kind, " ", e.Object.GetName(), " ", e.Initial))
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"Widget a true", "Widget b true"}, names); diff != "" {
		t.Errorf("Held() differs (-want +got):\n%s", diff)
	}
	if _, err := b.client.Resource(widgetResource).Namespace("shop").Update(t.Context(), widget("b", "green"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.nextEvent(t), "Widget b that was blue"; got != want {
		t.Errorf("third event = %q, want %q", got, want)
	}
	if err := b.client.Resource(widgetResource).Namespace("shop").Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.nextEvent(t), "Widget a deleted"; got != want {
		t.Errorf("fourth event = %q, want %q", got, want)
	}
}

func TestAKindThatIsNotServedSaysSoAndIsPickedUpWhenItIs(t *testing.T) {
	b := start(t, false)
	b.cache.Watch(widgetKind)
	eventually(t, "error", func() bool { return meta.IsNoMatchError(b.cache.State(widgetKind).Err) })
	<-b.states
	b.mapper.learn()
	eventually(t, "sync", func() bool { return b.cache.State(widgetKind).Synced })
	if diff := cmp.Diff(State{Watched: true, Synced: true}, b.cache.State(widgetKind)); diff != "" {
		t.Errorf("State() differs (-want +got):\n%s", diff)
	}
}

func TestAKindThatIsNoLongerWatchedIsForgotten(t *testing.T) {
	b := start(t, true, widget("a", "red"))
	b.cache.Watch(widgetKind)
	eventually(t, "sync", func() bool { return b.cache.State(widgetKind).Synced })
	b.cache.Unwatch(widgetKind)
	if diff := cmp.Diff(State{}, b.cache.State(widgetKind)); diff != "" {
		t.Errorf("State() differs (-want +got):\n%s", diff)
	}
	if _, err := b.cache.List(widgetKind); !errors.Is(err, ErrNotSynced) {
		t.Errorf("List() = %v, want ErrNotSynced", err)
	}
	if len(b.cache.Kinds()) != 0 {
		t.Errorf("Kinds() = %v, want none", b.cache.Kinds())
	}
}

func TestAKindThatIsRenewedIsListedAgain(t *testing.T) {
	b := start(t, true, widget("a", "red"))
	b.cache.Renew(widgetKind) // nothing is watched, so that nothing happens
	if b.cache.State(widgetKind).Watched {
		t.Error("renewing watches a kind")
	}
	b.cache.Watch(widgetKind)
	for range 2 {
		if got, want := b.nextEvent(t), "Widget a initial"; got != want {
			t.Errorf("event = %q, want %q", got, want)
		}
		eventually(t, "sync", func() bool { return b.cache.State(widgetKind).Synced })
		<-b.states
		b.cache.Renew(widgetKind)
	}
}

func TestARemindedKindIsToldOfAgain(t *testing.T) {
	b := start(t, true)
	b.cache.Remind(widgetKind)
	if got := <-b.states; got != widgetKind {
		t.Errorf("told of %s", got)
	}
}
