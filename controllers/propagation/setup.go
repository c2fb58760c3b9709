package propagation

import (
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/recent"
	"github.com/flotilla-dev/flotilla/internal/specchange"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

const (
	name         = "propagation"
	kindsName    = "propagation-kinds"
	policiesName = "propagation-policies"
)

// defaultConcurrency keeps that many requests to the host in flight: deciding about a template takes
// microseconds, writing its binding takes milliseconds.
const defaultConcurrency = 16

// Options are what the controllers need.
type Options struct {
	// Templates is the cache of the templates on the host. It must not have been started yet.
	Templates Templates
	// Interpreter tells what templates ask for.
	Interpreter Interpreter
	// Needed says of a kind that no policy and no binding names whether its objects are looked for all the same; none
	// is when it is nil.
	Needed func(schema.GroupVersionKind) bool
	// Journeys times what changes; nothing is timed when nil.
	Journeys *telemetry.Journeys
	// Unserved is for how long changes may have gone unserved when this manager takes over. They are served first.
	Unserved time.Duration
	// Clock; the real one when nil.
	Clock clock.PassiveClock
	// Concurrency is how many templates are worked on at the same time; 16 when zero.
	Concurrency int
}

// Setup adds the controllers to a manager. The manager's cache must have the indexes of package hostindex.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	showKinds(o.Templates)
	for controllerName, setup := range map[string]func(ctrl.Manager, Options) error{
		name: setupTemplates, kindsName: setupKinds, policiesName: setupPolicies,
	} {
		if err := setup(mgr, o); err != nil {
			return fmt.Errorf("setting up %s: %w", controllerName, err)
		}
	}
	return nil
}

func setupTemplates(mgr ctrl.Manager, o Options) error {
	r := newReconciler(mgr.GetClient(), mgr.GetAPIReader(), o)
	logger := mgr.GetLogger().WithValues("controller", name)
	c, err := controller.NewTyped(name, mgr, controller.TypedOptions[Request]{
		Reconciler:              r,
		MaxConcurrentReconciles: o.Concurrency,
		LogConstructor: func(req *Request) logr.Logger {
			if req == nil {
				return logger
			}
			return logger.WithValues("kind", req.GVK.Kind, "namespace", req.Key.Namespace, "name", req.Key.Name)
		},
	})
	if err != nil {
		return err
	}
	kind := func(obj client.Object, h templateHandler) source.TypedSource[Request] {
		return source.TypedKind(mgr.GetCache(), obj, handler.TypedEventHandler[client.Object, Request](h))
	}
	classes := named[Request]{mgr.GetClient(), policyPriority, hasClass, r.governedBy}
	overrides := named[Request]{mgr.GetClient(), policyPriority, dependsOn, r.selectedBy}
	changed := newTemplateSource(o.Templates, o.Journeys)
	changed.latest = recent.NewLog[Request](o.Clock, o.Unserved)
	for _, s := range []source.TypedSource[Request]{
		changed,
		kind(&v1alpha1.PropagationPolicy{}, r.onPolicy()),
		kind(&v1alpha1.ClusterPropagationPolicy{}, r.onPolicy()),
		kind(&v1alpha1.ResourceBinding{}, r.onBinding()),
		kind(&v1alpha1.ClusterResourceBinding{}, r.onBinding()),
		kind(&corev1.Namespace{}, r.onNamespace()),
		kind(&schedulingv1.PriorityClass{}, classes.handler()),
		kind(&v1alpha1.OverridePolicy{}, overrides.handler()),
		kind(&v1alpha1.ClusterOverridePolicy{}, overrides.handler()),
	} {
		if err := c.Watch(s); err != nil {
			return err
		}
	}
	return nil
}

func newReconciler(c client.Client, live client.Reader, o Options) *Reconciler {
	return &Reconciler{
		client: c, live: live, templates: o.Templates, interpreter: o.Interpreter,
		clock: o.Clock, writes: ownwrites.New(o.Clock), journeys: o.Journeys,
	}
}

// setupKinds runs on standby managers too, so that the one that takes over has all templates at hand.
func setupKinds(mgr ctrl.Manager, o Options) error {
	k := &kindKeeper{client: mgr.GetClient(), templates: o.Templates, needed: o.Needed}
	return ctrl.NewControllerManagedBy(mgr).
		Named(kindsName).
		Watches(&v1alpha1.PropagationPolicy{}, k.onPolicy()).
		Watches(&v1alpha1.ClusterPropagationPolicy{}, k.onPolicy()).
		Watches(&v1alpha1.ResourceBinding{}, k.onBinding()).
		Watches(&v1alpha1.ClusterResourceBinding{}, k.onBinding()).
		WithOptions(controller.Options{NeedLeaderElection: ptr.To(false)}).
		Complete(k)
}

func setupPolicies(mgr ctrl.Manager, o Options) error {
	k := &policyKeeper{
		client: mgr.GetClient(), templates: o.Templates, mapper: mgr.GetRESTMapper(),
		events: mgr.GetEventRecorder("flotilla-" + name), clock: o.Clock,
	}
	o.Templates.OnStateChange(k.onState)
	classes := named[ctrl.Request]{mgr.GetClient(), userPriority, hasClass, self}
	overrides := named[ctrl.Request]{mgr.GetClient(), userPriority, dependsOn, self}
	specChanges := builder.WithPredicates(specchange.Predicate())
	return ctrl.NewControllerManagedBy(mgr).
		Named(policiesName).
		Watches(&v1alpha1.PropagationPolicy{}, &handler.EnqueueRequestForObject{}, specChanges).
		Watches(&v1alpha1.ClusterPropagationPolicy{}, &handler.EnqueueRequestForObject{}, specChanges).
		Watches(&v1alpha1.ResourceBinding{}, k.onBinding()).
		Watches(&v1alpha1.ClusterResourceBinding{}, k.onBinding()).
		Watches(&schedulingv1.PriorityClass{}, classes.handler()).
		Watches(&v1alpha1.OverridePolicy{}, overrides.handler()).
		Watches(&v1alpha1.ClusterOverridePolicy{}, overrides.handler()).
		WatchesRawSource(source.Func(k.listen)).
		Complete(k)
}
