package aggregation

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings/status;clusterresourcebindings/status,verbs=patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=templates,verbs=manage
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcetemplates/status;clusterresourcetemplates/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const name = "aggregation"

// defaultConcurrency keeps that many requests to the host in flight: fewer than propagation and scheduling do, because a
// host that is busy has to share its time among requests, and where templates go is worth more than how they are.
const defaultConcurrency = 4

// Templates finds templates in memory. *templates.Cache is one.
type Templates interface {
	// Get finds a template, an *unstructured.Unstructured that must not be changed. The error is
	// objectcache.ErrNotSynced while it cannot be told.
	Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error)
	// Wrapper is what holds a template that is wrapped, nil for a native one. It must not be changed.
	Wrapper(gvk schema.GroupVersionKind, key types.NamespacedName) (*unstructured.Unstructured, error)
}

// Options are what the controller needs.
type Options struct {
	// Board holds what members report. Required.
	Board *report.Board
	// Templates finds templates. Required.
	Templates Templates
	// Interpreter knows what members' statuses add up to. Required.
	Interpreter *interpreter.Interpreter
	// Clock; the real one when nil.
	Clock clock.PassiveClock
	// Pace says how often is written; DefaultPace when zero.
	Pace Pace
	// Concurrency is how many bindings are worked on at the same time; 4 when zero.
	Concurrency int
}

// Reconciler aggregates what is reported about bindings of both twins.
type Reconciler struct {
	Options
	client client.Client
	live   client.Reader // the host itself
	events events.EventRecorder
	pacer  *pacer
	writes *ownwrites.Writes
}

// Setup adds the controller to a manager. Call it before anything is posted to the board.
func Setup(mgr ctrl.Manager, o Options) error {
	r := newReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("flotilla-"+name), o)
	changes := &feed{settle: r.Pace.Settle}
	o.Board.OnChange(changes.enqueue)
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		WatchesRawSource(source.Func(changes.begin)).
		Watches(&v1alpha1.ResourceBinding{}, r.onBinding(), builder.WithPredicates(decisionChanges())).
		Watches(&v1alpha1.ClusterResourceBinding{}, r.onBinding(), builder.WithPredicates(decisionChanges())).
		Watches(&v1alpha1.Cluster{}, r.onCluster(), builder.WithPredicates(readinessChanges())).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Concurrency}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	return nil
}

func newReconciler(c client.Client, live client.Reader, recorder events.EventRecorder, o Options) *Reconciler {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Pace == (Pace{}) {
		o.Pace = DefaultPace
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	return &Reconciler{Options: o, client: c, live: live, events: recorder, pacer: newPacer(o.Clock, o.Pace), writes: ownwrites.New(o.Clock)}
}

// Reconcile brings the status of one binding, and of its template, to what the members report. A request
// without a namespace means a ClusterResourceBinding.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	binding, err := hostindex.Binding(ctx, r.client, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading binding %s: %w", req.NamespacedName, err)
	}
	if binding.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, nil
	}
	if !r.writes.Seen(req.NamespacedName, binding.GetResourceVersion()) {
		return ctrl.Result{RequeueAfter: ownwrites.Retry}, nil
	}
	facts, err := r.gather(ctx, binding)
	if err != nil {
		return ctrl.Result{}, err
	}
	changes := r.compare(facts)
	if changes.none() {
		return ctrl.Result{RequeueAfter: facts.again}, nil
	}
	if wait := r.pacer.wait(req.NamespacedName, changes.urgent); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	r.pacer.wrote(req.NamespacedName)
	return ctrl.Result{RequeueAfter: facts.again}, r.write(ctx, facts, changes)
}

func (r *Reconciler) forget(key types.NamespacedName) {
	r.Board.ForgetBinding(key)
	r.pacer.forget(key)
	r.writes.Forget(key)
}

// write carries changes out. What went away meanwhile needs no status; what the host's API server refuses as
// invalid, or as none of our business, would be refused again.
func (r *Reconciler) write(ctx context.Context, f facts, c changes) error {
	if c.binding {
		version, err := objectpatch.ApplyStatusVersion(ctx, r.client, f.binding, objectpatch.AggregationOwner, &c.bindingStatus)
		if err != nil {
			return client.IgnoreNotFound(err)
		}
		r.writes.Wrote(client.ObjectKeyFromObject(f.binding), version)
		r.tellTurn(f.binding, c.bindingStatus.Conditions)
	}
	if !c.template {
		return nil
	}
	_, err := objectpatch.MergeStatus(ctx, r.client, f.holder(), f.holderStatus(c.templateStatus))
	if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
		return reconcile.TerminalError(err) // the next report tries again
	}
	return client.IgnoreNotFound(err)
}
