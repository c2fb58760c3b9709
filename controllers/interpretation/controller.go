package interpretation

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=resourceinterpreters,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourceinterpreters/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const name = "interpretation"

// failureInterval is how often the leader looks whether an expression failed on an object. Expressions fail in the watches
// of members, where nobody waits for it.
const failureInterval = 30 * time.Second

// everything is the only request: what counts of several interpreters of one kind depends on all of them.
var everything = reconcile.Request{NamespacedName: types.NamespacedName{Name: "all"}}

// Options are what the controller needs.
type Options struct {
	// Interpreter is taught.
	Interpreter *interpreter.Interpreter
	// Clock; the real one when nil.
	Clock clock.PassiveClock
}

// Reconciler teaches the interpreter.
type Reconciler struct {
	client      client.Client
	interpreter *interpreter.Interpreter
	clock       clock.PassiveClock
	events      events.EventRecorder
	leads       func() bool

	lessons map[types.UID]lesson
	table   *taught.Table
}

// lesson is one ResourceInterpreter as it is compiled.
type lesson struct {
	generation int64
	meaning    *taught.Meaning
	problems   []taught.Problem
}

// Setup teaches what there is, and adds the controller to a manager that has not started.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	r := newReconciler(mgr.GetClient(), mgr.GetEventRecorder("flotilla-"+name), o)
	r.leads = func() bool { return closed(mgr.Elected()) }
	if err := r.teachFrom(ctx, mgr.GetAPIReader()); err != nil {
		return err
	}
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{everything}
	})
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&v1alpha1.ResourceInterpreter{}, all, builder.WithPredicates(specchange.Predicate())).
		WatchesRawSource(source.Func(func(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			go func() {
				select {
				case <-mgr.Elected():
					q.Add(everything) // the leader has statuses to write
				case <-ctx.Done():
				}
			}()
			return nil
		})).
		WithOptions(controller.Options{NeedLeaderElection: ptr.To(false), MaxConcurrentReconciles: 1}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	return nil
}

func newReconciler(c client.Client, recorder events.EventRecorder, o Options) *Reconciler {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Reconciler{
		client: c, interpreter: o.Interpreter, clock: o.Clock, events: recorder,
		leads: func() bool { return true }, lessons: map[types.UID]lesson{},
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Reconcile teaches what changed and, as the leader, says what became of it.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	if err := r.teachFrom(ctx, r.client); err != nil {
		return ctrl.Result{}, err
	}
	if !r.leads() {
		return ctrl.Result{}, nil
	}
	if err := r.tell(ctx); err != nil {
		return ctrl.Result{}, err
	}
	if len(r.lessons) == 0 {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: failureInterval}, nil
}

// teachFrom compiles what changed and hands everything to the interpreter.
func (r *Reconciler) teachFrom(ctx context.Context, reader client.Reader) error {
	var list v1alpha1.ResourceInterpreterList
	if err := reader.List(ctx, &list); err != nil {
		return fmt.Errorf("listing resource interpreters: %w", err)
	}
	before := r.meanings()
	lessons := make(map[types.UID]lesson, len(list.Items))
	for i := range list.Items {
		ri := &list.Items[i]
		if ri.DeletionTimestamp != nil {
			continue
		}
		known, ok := r.lessons[ri.UID]
		if !ok || known.generation != ri.Generation {
			known = lesson{generation: ri.Generation}
			known.meaning, known.problems = taught.Compile(ri)
		}
		lessons[ri.UID] = known
	}
	r.lessons = lessons
	r.table = r.interpreter.Teach(before, r.meanings())
	return nil
}

func (r *Reconciler) meanings() []*taught.Meaning {
	meanings := make([]*taught.Meaning, 0, len(r.lessons))
	for _, l := range r.lessons {
		meanings = append(meanings, l.meaning)
	}
	return meanings
}
