package wrapping

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcetemplates;clusterresourcetemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcetemplates/status;clusterresourcetemplates/status,verbs=patch

const name = "wrapping"

// Options are what the controller needs.
type Options struct {
	// Templates is the cache of the templates on the host. It must not have been started yet. Required.
	Templates *templates.Cache
	// Clock is the time of transitions; the real one when nil.
	Clock clock.PassiveClock
}

// Reconciler writes the conditions of wrappers of both kinds. A request without a namespace means a ClusterResourceTemplate.
type Reconciler struct {
	Options
	client client.Client
}

// Setup adds the controller to a manager.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	r := &Reconciler{Options: o, client: mgr.GetClient()}
	changes := &feed{templates: o.Templates}
	o.Templates.OnWrapper(changes.enqueue)
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		WatchesRawSource(source.Func(changes.begin)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	return nil
}

// Reconcile says about one wrapper what is new.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	wrapper, found, err := r.Templates.WrapperNamed(req.NamespacedName)
	if errors.Is(err, objectcache.ErrNotSynced) || (err == nil && !found) {
		return ctrl.Result{}, nil // all come back when the watch has synced
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading %s: %w", req.NamespacedName, err)
	}
	f, named, err := r.gather(wrapper)
	if err != nil || !named || wrapper.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, err
	}
	var have v1alpha1.ResourceTemplateStatus
	status, _, _ := unstructured.NestedMap(wrapper.Object, "status") // a copy; none when it is no object
	delete(status, "manifest")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(status, &have); err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the status of %s: %w", req.NamespacedName, err)
	}
	want := v1alpha1.ResourceTemplateStatus{ObservedGeneration: wrapper.GetGeneration()}
	want.Conditions = append(want.Conditions, accepted(f, have.Conditions))
	if equality.Semantic.DeepEqual(have, want) {
		return ctrl.Result{}, nil
	}
	err = objectpatch.ApplyStatus(ctx, r.client, wrapper, objectpatch.WrappingOwner, &want)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return ctrl.Result{}, nil // deleted, or replaced by a namesake that has its own request
	}
	return ctrl.Result{}, err
}

func (r *Reconciler) gather(wrapper *unstructured.Unstructured) (facts, bool, error) {
	template, named := templates.Unwrap(wrapper)
	if !named {
		return facts{}, false, nil
	}
	f := facts{wrapper: wrapper, template: template, now: r.Clock.Now()}
	var err error
	if f.holder, err = r.Templates.Holder(wrapper); err != nil {
		return f, true, fmt.Errorf("finding other templates of %s %s: %w", template.GetKind(), template.GetName(), err)
	}
	_, f.native, err = r.Templates.Native(template.GroupVersionKind(), client.ObjectKeyFromObject(template))
	if err != nil && !errors.Is(err, objectcache.ErrNotSynced) { // a kind that nobody watches is not propagated either
		return f, true, fmt.Errorf("looking for a native %s %s: %w", template.GetKind(), template.GetName(), err)
	}
	return f, true, nil
}

// feed hands wrappers to the queue once there is one.
type feed struct {
	templates *templates.Cache

	mu    sync.RWMutex
	queue workqueue.TypedRateLimitingInterface[ctrl.Request]
}

func (f *feed) begin(_ context.Context, q workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
	f.mu.Lock()
	f.queue = q
	f.mu.Unlock()
	for _, wrapper := range f.templates.WrapperNames() { // what came before there was a queue
		f.enqueue(wrapper)
	}
	return nil
}

func (f *feed) enqueue(wrapper types.NamespacedName) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.queue != nil {
		f.queue.Add(ctrl.Request{NamespacedName: wrapper})
	}
}
