package objectcache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/internal/rewatch"
)

// ErrNotSynced says that a kind is not watched, or that its first list has not arrived. It is no evidence
// that an object does not exist.
var ErrNotSynced = errors.New("the kind's watch has not synced")

// Options is what a Cache is made from.
type Options struct {
	// Client reads the cluster.
	Client dynamic.Interface
	// Mapper finds the resource of a kind. It must look again when a kind is new to it.
	Mapper meta.RESTMapper
	// LabelSelector narrows what is listed and watched; empty is everything.
	LabelSelector string
	// Transform shrinks objects before they are kept; nil keeps them whole. It must accept its own result.
	Transform toolscache.TransformFunc
	// Indexers are added to every kind.
	Indexers toolscache.Indexers
	// Pace is how often a cluster that is away is asked again, see rewatch.Soon; nothing is rewatch.Host.
	Pace wait.Backoff
}

// Event says that an object of a watched kind was seen, changed or went away.
type Event struct {
	// GVK is the watched kind.
	GVK schema.GroupVersionKind
	// Object is the object as it is kept; the last known one for a deletion.
	Object metav1.Object
	// Before is the object as it was kept before an update; nil otherwise.
	Before metav1.Object
	// Initial is true for objects of the first list, which are no news after a restart.
	Initial bool
	// Deleted is true when the object went away.
	Deleted bool
}

// State tells how far the watch of a kind is.
type State struct {
	// Watched is true when the kind was asked for.
	Watched bool
	// Synced is true when the first list has arrived.
	Synced bool
	// Err is why the first list has not arrived; nil when nothing is wrong. Unserved tells that the cluster does not have
	// the kind, apierrors.IsForbidden that it may not be read.
	Err error
}

// Unserved says whether the cluster does not have the kind, so that there are no objects of it. No other error tells anything of its
// objects, nor does that they may not be read.
func (s State) Unserved() bool {
	return meta.IsNoMatchError(s.Err) || apierrors.IsNotFound(s.Err) || apierrors.IsMethodNotSupported(s.Err)
}

// Cache keeps the objects of kinds chosen at run time. It is safe for concurrent use.
type Cache struct {
	options        Options
	eventListeners []func(Event)
	stateListeners []func(schema.GroupVersionKind)

	mu      sync.RWMutex
	ctx     context.Context // set by Start: the life of every watch
	watches map[schema.GroupVersionKind]*watch
	running sync.WaitGroup
}

// watch is the informer of one kind. Its fields are guarded by Cache.mu.
type watch struct {
	cancel   context.CancelFunc
	informer toolscache.SharedIndexInformer // nil until the kind is mapped
	err      error
}

// New makes a cache that watches nothing yet.
func New(o Options) *Cache {
	if o.Pace == (wait.Backoff{}) {
		o.Pace = rewatch.Host()
	}
	return &Cache{options: o, watches: map[schema.GroupVersionKind]*watch{}}
}

// OnEvent calls f for every event of every kind, one at a time per kind. f must not block. Register before
// Start.
func (c *Cache) OnEvent(f func(Event)) { c.eventListeners = append(c.eventListeners, f) }

// OnStateChange calls f when a kind's watch synced, failed or recovered. f must not block. Register before
// Start.
func (c *Cache) OnStateChange(f func(schema.GroupVersionKind)) {
	c.stateListeners = append(c.stateListeners, f)
}

// NeedLeaderElection lets standby managers watch too, so that the one that takes over need not list everything
// first.
func (c *Cache) NeedLeaderElection() bool { return false }

// Start runs the watches until ctx ends, then waits for them to stop.
func (c *Cache) Start(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = ctx
	for gvk, w := range c.watches {
		c.launch(gvk, w)
	}
	c.mu.Unlock()
	<-ctx.Done()
	c.running.Wait()
	return nil
}

// Watch makes sure that a kind is watched. It returns at once.
func (c *Cache) Watch(gvk schema.GroupVersionKind) {
	c.mu.RLock()
	_, known := c.watches[gvk]
	c.mu.RUnlock()
	if known {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.watches[gvk]; known {
		return
	}
	w := &watch{cancel: func() {}}
	c.watches[gvk] = w
	if c.ctx != nil {
		c.launch(gvk, w)
	}
}

// Unwatch stops watching a kind and forgets its objects.
func (c *Cache) Unwatch(gvk schema.GroupVersionKind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w, known := c.watches[gvk]; known {
		w.cancel()
		delete(c.watches, gvk)
	}
}

// Renew lists a watched kind anew, so that its objects pass Transform again. Until the new list has arrived the cache
// cannot tell of the kind; then OnStateChange follows.
func (c *Cache) Renew(gvk schema.GroupVersionKind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, known := c.watches[gvk]
	if !known {
		return
	}
	old.cancel()
	w := &watch{cancel: func() {}}
	c.watches[gvk] = w
	if c.ctx != nil {
		c.launch(gvk, w)
	}
}

// Remind calls what OnStateChange registered, as if the kind's watch had just synced: something that its objects are read
// with has changed.
func (c *Cache) Remind(gvk schema.GroupVersionKind) { c.tellState(gvk) }

// Kinds are the kinds that are watched, in no order.
func (c *Cache) Kinds() []schema.GroupVersionKind {
	c.mu.RLock()
	defer c.mu.RUnlock()
	kinds := make([]schema.GroupVersionKind, 0, len(c.watches))
	for gvk := range c.watches {
		kinds = append(kinds, gvk)
	}
	return kinds
}

// State tells how far the watch of a kind is.
func (c *Cache) State(gvk schema.GroupVersionKind) State {
	c.mu.RLock()
	defer c.mu.RUnlock()
	w, known := c.watches[gvk]
	if !known {
		return State{}
	}
	return State{Watched: true, Synced: w.informer != nil && w.informer.HasSynced(), Err: w.err}
}

// Get finds an object. It is the cache's own and must not be changed. The error is ErrNotSynced when the
// cache cannot tell.
func (c *Cache) Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error) {
	indexer, err := c.synced(gvk)
	if err != nil {
		return nil, false, err
	}
	name := key.Name
	if key.Namespace != "" {
		name = key.String()
	}
	return indexer.GetByKey(name)
}

// List is every object of a kind; they are the cache's own. The error is ErrNotSynced when the cache
// cannot tell.
func (c *Cache) List(gvk schema.GroupVersionKind) ([]any, error) {
	indexer, err := c.synced(gvk)
	if err != nil {
		return nil, err
	}
	return indexer.List(), nil
}

// ListIn is every object of a kind in a namespace; they are the cache's own. The error is ErrNotSynced when the cache
// cannot tell.
func (c *Cache) ListIn(gvk schema.GroupVersionKind, namespace string) ([]any, error) {
	indexer, err := c.synced(gvk)
	if err != nil {
		return nil, err
	}
	return indexer.ByIndex(toolscache.NamespaceIndex, namespace)
}

// Find is every object of a kind that an index of Options finds; they are the cache's own. The error is ErrNotSynced when the
// cache cannot tell.
func (c *Cache) Find(gvk schema.GroupVersionKind, index, value string) ([]any, error) {
	indexer, err := c.synced(gvk)
	if err != nil {
		return nil, err
	}
	return indexer.ByIndex(index, value)
}

// ByIndex is every object, of all kinds watched, that an index of Options finds. Kinds that have not synced
// contribute what they hold so far: a missing object is no evidence.
func (c *Cache) ByIndex(index, value string) ([]any, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []any
	for gvk, w := range c.watches {
		if w.informer == nil {
			continue
		}
		objects, err := w.informer.GetIndexer().ByIndex(index, value)
		if err != nil {
			return nil, fmt.Errorf("looking up %s in the index %s: %w", gvk.Kind, index, err)
		}
		found = append(found, objects...)
	}
	return found, nil
}

// Held are all objects of all kinds, as initial events, as far as the watches have told. Who has missed events catches up with it.
func (c *Cache) Held() []Event {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var events []Event
	for gvk, w := range c.watches {
		if w.informer == nil {
			continue
		}
		for _, obj := range w.informer.GetStore().List() {
			if object, ok := obj.(metav1.Object); ok {
				events = append(events, Event{GVK: gvk, Object: object, Initial: true})
			}
		}
	}
	return events
}

func (c *Cache) synced(gvk schema.GroupVersionKind) (toolscache.Indexer, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	w, known := c.watches[gvk]
	if !known || w.informer == nil || !w.informer.HasSynced() {
		return nil, fmt.Errorf("%s: %w", gvk.Kind, ErrNotSynced)
	}
	return w.informer.GetIndexer(), nil
}

// launch starts a watch; the caller holds the lock and has set ctx.
func (c *Cache) launch(gvk schema.GroupVersionKind, w *watch) {
	ctx, cancel := context.WithCancel(c.ctx)
	w.cancel = cancel
	c.running.Go(func() { c.run(ctx, gvk, w) })
}

// retryMapping is how often an unknown kind is looked for: quickly at first, since a CustomResourceDefinition
// is often applied together with its objects, then every half minute.
var retryMapping = wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 6, Cap: 30 * time.Second}

func (c *Cache) run(ctx context.Context, gvk schema.GroupVersionKind, w *watch) {
	var mapping *meta.RESTMapping
	_ = retryMapping.DelayFunc().Until(ctx, true, true, func(context.Context) (bool, error) {
		var err error
		mapping, err = c.options.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		c.setErr(gvk, w, err)
		return err == nil, nil
	})
	if ctx.Err() != nil {
		return
	}
	informer, err := c.inform(ctx, gvk, w, mapping.Resource)
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot watch a kind", "kind", gvk)
		c.setErr(gvk, w, err)
		return
	}
	c.mu.Lock()
	w.informer = informer
	c.mu.Unlock()
	c.running.Go(func() {
		if toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			c.setErr(gvk, w, nil)
			c.tellState(gvk)
		}
	})
	informer.RunWithContext(ctx)
}

func (c *Cache) inform(ctx context.Context, gvk schema.GroupVersionKind, w *watch, gvr schema.GroupVersionResource) (toolscache.SharedIndexInformer, error) {
	informer := toolscache.NewSharedIndexInformerWithOptions(c.source(gvr), &unstructured.Unstructured{},
		toolscache.SharedIndexInformerOptions{Indexers: c.indexers(), ObjectDescription: gvr.String()})
	if c.options.Transform != nil {
		if err := informer.SetTransform(c.options.Transform); err != nil {
			return nil, fmt.Errorf("setting the transform of %s: %w", gvk.Kind, err)
		}
	}
	onError := func(_ context.Context, _ *toolscache.Reflector, err error) {
		if !informer.HasSynced() { // later errors pass: the informer lists again, and what it holds stays
			c.setErr(gvk, w, err)
		}
	}
	if err := informer.SetWatchErrorHandlerWithContext(onError); err != nil {
		return nil, fmt.Errorf("setting the error handler of %s: %w", gvk.Kind, err)
	}
	_, err := informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) { c.tell(ctx, Event{GVK: gvk, Initial: initial}, obj) },
		UpdateFunc: func(old, obj any) {
			before, _ := old.(metav1.Object)
			c.tell(ctx, Event{GVK: gvk, Before: before}, obj)
		},
		DeleteFunc: func(obj any) { c.tell(ctx, Event{GVK: gvk, Deleted: true}, obj) },
	})
	if err != nil {
		return nil, fmt.Errorf("listening to %s: %w", gvk.Kind, err)
	}
	return informer, nil
}

// source is where the informer of a resource gets its objects from.
func (c *Cache) source(gvr schema.GroupVersionResource) toolscache.ListerWatcher {
	resource := c.options.Client.Resource(gvr)
	return rewatch.Soon(toolscache.ToListWatcherWithWatchListSemantics(&toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = c.options.LabelSelector
			return resource.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.LabelSelector = c.options.LabelSelector
			return resource.Watch(ctx, o)
		},
	}, c.options.Client), c.options.Pace)
}

// indexers copies the indexers, because an informer keeps the map that it is given.
func (c *Cache) indexers() toolscache.Indexers {
	indexers := toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}
	for name, f := range c.options.Indexers {
		indexers[name] = f
	}
	return indexers
}

func (c *Cache) tell(ctx context.Context, e Event, obj any) {
	if ctx.Err() != nil {
		return // a stopped watch has no say any more
	}
	if last, gone := obj.(toolscache.DeletedFinalStateUnknown); gone {
		obj = last.Obj
	}
	object, ok := obj.(metav1.Object)
	if !ok {
		return
	}
	e.Object = object
	for _, f := range c.eventListeners {
		f(e)
	}
}

func (c *Cache) setErr(gvk schema.GroupVersionKind, w *watch, err error) {
	c.mu.RLock()
	same := errorText(w.err) == errorText(err)
	c.mu.RUnlock()
	if same {
		return
	}
	c.mu.Lock()
	w.err = err
	c.mu.Unlock()
	c.tellState(gvk)
}

func (c *Cache) tellState(gvk schema.GroupVersionKind) {
	for _, f := range c.stateListeners {
		f(gvk)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
