package dependencies

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/proof"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=propagationpolicies;clusterpropagationpolicies,verbs=get

const name = "dependencies"

// defaultConcurrency keeps that many requests to the host in flight.
const defaultConcurrency = 16

const (
	// unknownRetry is when to look again for objects of kinds that are not watched yet. The end of their first list leads
	// back too; the timer is for a watch that was stopped at the same moment.
	unknownRetry = 5 * time.Second
	// overlookedRetry is when to look again after the host contradicted the cache of templates.
	overlookedRetry = time.Second
	// unservedRetry is when to look again for an object whose kind the host does not serve at the moment.
	unservedRetry = time.Minute
	// endRetry is when to look whether a binding that is being deleted has gone and can be made anew.
	endRetry = time.Second
)

// Templates is the cache of the templates on the host, *unstructured.Unstructured that must not be changed;
// *objectcache.Cache is one.
type Templates interface {
	// Watch makes sure that a kind is watched.
	Watch(gvk schema.GroupVersionKind)
	// Get finds an object. The error is objectcache.ErrNotSynced while it cannot be told.
	Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error)
	// ListIn finds every object of a kind in a namespace. The error is objectcache.ErrNotSynced when there may be more.
	ListIn(gvk schema.GroupVersionKind, namespace string) ([]any, error)
	// OnEvent calls f for every event of every kind that is watched.
	OnEvent(f func(objectcache.Event))
	// OnStateChange calls f when the watch of a kind synced, failed or recovered.
	OnStateChange(f func(schema.GroupVersionKind))
}

// Interpreter tells what objects need and what follows them; interpreter.Interpreter is one.
type Interpreter interface {
	Dependencies(obj *unstructured.Unstructured) ([]interpreter.Dependency, error)
	Followers(workload *unstructured.Unstructured) []schema.GroupVersionKind
	Follows(follower, workload *unstructured.Unstructured) bool
}

// Options are what the controller needs.
type Options struct {
	// Templates is the cache of the templates on the host. It must not have been started yet. Required.
	Templates Templates
	// Interpreter tells what objects need. Required.
	Interpreter Interpreter
	// Interests takes what is looked for, so that others can tell which kinds are needed. Required.
	Interests *Interests
	// Clock; the real one when nil.
	Clock clock.PassiveClock
	// Concurrency is how many owners are worked on at the same time; 16 when zero.
	Concurrency int
}

// Reconciler keeps what owners need in the clusters where they are.
type Reconciler struct {
	client      client.Client
	live        client.Reader
	templates   Templates
	interpreter Interpreter
	interests   *Interests
	writes      *ownwrites.Writes
	busy        *busy
	blinds      *blinds
}

// Setup adds the controller to a manager. The manager's cache must have the indexes of package hostindex.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	r := newReconciler(mgr.GetClient(), mgr.GetAPIReader(), o)
	news := &feed{reconciler: r}
	o.Templates.OnEvent(news.onEvent)
	o.Templates.OnStateChange(news.onState)
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&v1alpha1.ResourceBinding{}, r.onBinding()).
		Watches(&v1alpha1.Cluster{}, r.onCluster()).
		WatchesRawSource(source.Func(news.begin)).
		WithOptions(controller.Options{MaxConcurrentReconciles: o.Concurrency}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	return nil
}

func newReconciler(c client.Client, live client.Reader, o Options) *Reconciler {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Reconciler{
		client: c, live: live, templates: o.Templates, interpreter: o.Interpreter, interests: o.Interests,
		writes: ownwrites.New(o.Clock), busy: newBusy(), blinds: newBlinds(o.Clock),
	}
}

// Reconcile makes the bindings of what goes along with one owner say so.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	owner := req.NamespacedName
	binding, err := hostindex.Binding(ctx, r.client, owner)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return ctrl.Result{}, fmt.Errorf("reading binding %s: %w", owner, err)
	case err != nil:
		r.writes.Forget(owner)
		return r.abandon(ctx, request{owner: owner, gone: true})
	}
	if len(binding.BindingSpec().PreservedIn) > 0 { // a cluster may be leaving
		if result, err := r.fulfilAll(ctx, []request{{owner: owner, key: owner}}); err != nil || result.RequeueAfter > 0 {
			return result, err
		}
	}
	switch {
	case !isOwner(binding):
		return r.abandon(ctx, request{owner: owner})
	case binding.GetDeletionTimestamp() != nil:
		return r.await(ctx, owner, binding)
	default:
		return r.look(ctx, owner, binding)
	}
}

// look finds an owner's template, and brings along what that needs.
func (r *Reconciler) look(ctx context.Context, owner types.NamespacedName, binding v1alpha1.Binding) (ctrl.Result, error) {
	resource := binding.BindingSpec().Resource
	obj, exists, err := r.templates.Get(resource.GroupVersionKind(), resource.Key())
	if errors.Is(err, objectcache.ErrNotSynced) {
		r.templates.Watch(resource.GroupVersionKind())
		return ctrl.Result{RequeueAfter: unknownRetry}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("finding template %s: %w", resource.Key(), err)
	}
	template, ok := obj.(*unstructured.Unstructured)
	if !exists || !ok {
		return ctrl.Result{}, nil // the owner's end leads back here
	}
	return r.bringAlong(ctx, owner, binding, template)
}

// bringAlong asks for everything that goes along with an owner, and for nothing else any more. When the interpreter cannot
// say what that is, it stays what it was.
func (r *Reconciler) bringAlong(ctx context.Context, owner types.NamespacedName, binding v1alpha1.Binding, template *unstructured.Unstructured) (ctrl.Result, error) {
	attached, err := r.attached(ctx, owner)
	if err != nil {
		return ctrl.Result{}, err
	}
	along, misread := r.gather(owner, template, attached)
	if misread != nil {
		along = found{blind: true}
	}
	again, unproven := r.prove(ctx, &along, attached)
	if lasts, tell := r.blinds.note(owner, along.hidden != ""); tell {
		log.FromContext(ctx).Info("Keeps all that went along with a template, because something of it cannot be seen", "hidden", along.hidden, "for", lasts.String())
	}
	result, err := r.fulfilAll(ctx, requests(owner, binding, along, attached))
	result.RequeueAfter = sooner(result.RequeueAfter, again)
	switch err = errors.Join(err, unproven); {
	case err != nil:
		return ctrl.Result{}, err
	case misread != nil && result.RequeueAfter == 0:
		return ctrl.Result{}, reconcile.TerminalError(misread) // only a change of the template or of what is taught can help
	default:
		return result, nil
	}
}

// await lets what goes along with an owner that is being deleted know whether it is to be preserved, as the owner itself is. It leaves
// last: when the owner is gone.
func (r *Reconciler) await(ctx context.Context, owner types.NamespacedName, binding v1alpha1.Binding) (ctrl.Result, error) {
	attached, err := r.attached(ctx, owner)
	if err != nil || len(attached) == 0 {
		return ctrl.Result{}, err
	}
	preserve, err := proof.Preserves(ctx, r.live, binding)
	if err != nil {
		return ctrl.Result{}, err
	}
	return r.askOf(ctx, attached, request{owner: owner, leaving: true, preserve: preserve})
}

// abandon takes out every entry of a binding that is gone, or whose template takes nothing along any more. leave is what it
// asks of each object.
func (r *Reconciler) abandon(ctx context.Context, leave request) (ctrl.Result, error) {
	r.interests.forget(leave.owner)
	r.blinds.note(leave.owner, false)
	attached, err := r.attached(ctx, leave.owner)
	if err != nil {
		return ctrl.Result{}, err
	}
	return r.askOf(ctx, attached, leave)
}

// askOf asks the same of every object that went along so far.
func (r *Reconciler) askOf(ctx context.Context, attached []v1alpha1.Binding, q request) (ctrl.Result, error) {
	list := make([]request, len(attached))
	for i, other := range attached {
		list[i] = q
		list[i].key = client.ObjectKeyFromObject(other)
	}
	return r.fulfilAll(ctx, list)
}

// attached are the bindings of what went along with an owner so far.
func (r *Reconciler) attached(ctx context.Context, owner types.NamespacedName) ([]v1alpha1.Binding, error) {
	attached, err := hostindex.Bindings(ctx, r.client, hostindex.ByOwner, hostindex.OwnerValue(owner.Namespace, owner.Name))
	if err != nil {
		return nil, fmt.Errorf("finding what is required by %s: %w", owner, err)
	}
	return attached, nil
}

func (r *Reconciler) fulfilAll(ctx context.Context, list []request) (ctrl.Result, error) {
	var result ctrl.Result
	var errs []error
	for _, q := range list {
		again, err := r.fulfil(ctx, q)
		if err != nil {
			errs = append(errs, err)
		}
		result.RequeueAfter = sooner(result.RequeueAfter, again)
	}
	return result, errors.Join(errs...)
}

// sooner is the shorter of two times to wait, of which zero is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func terminating(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}
