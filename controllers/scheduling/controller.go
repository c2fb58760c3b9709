package scheduling

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings/status;clusterresourcebindings/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const name = "scheduling"

// SchedulerName is the schedulerName of the bindings that this scheduler decides about; an empty one too.
const SchedulerName = "default-scheduler"

// defaultConcurrency keeps that many requests to the host in flight: a decision takes microseconds, writing it
// takes milliseconds.
const defaultConcurrency = 16

// Options are what the controller needs.
type Options struct {
	// Clock; the real one when nil.
	Clock clock.PassiveClock
	// Concurrency is how many bindings are worked on at the same time; 16 when zero.
	Concurrency int
}

// Reconciler schedules bindings of both twins.
type Reconciler struct {
	client client.Client
	events events.EventRecorder
	clock  clock.PassiveClock
	writes *ownwrites.Writes
	moves  *moves
}

// Setup adds the controller to a manager.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	r := newReconciler(mgr.GetClient(), mgr.GetEventRecorder("flotilla-"+name), o.Clock)
	// A status says nothing that a decision depends on.
	specChanges := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&v1alpha1.ResourceBinding{}, &handler.EnqueueRequestForObject{}, specChanges).
		Watches(&v1alpha1.ClusterResourceBinding{}, &handler.EnqueueRequestForObject{}, specChanges).
		Watches(&v1alpha1.Cluster{}, r.onCluster()).
		WithOptions(controller.Options{MaxConcurrentReconciles: o.Concurrency}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	return nil
}

func newReconciler(c client.Client, recorder events.EventRecorder, passive clock.PassiveClock) *Reconciler {
	return &Reconciler{client: c, events: recorder, clock: passive, writes: ownwrites.New(passive), moves: &moves{at: map[types.NamespacedName]time.Time{}}}
}

// Reconcile decides where one binding goes, and writes what differs. A request without a namespace means a
// ClusterResourceBinding.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	binding, err := hostindex.Binding(ctx, r.client, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.writes.Forget(req.NamespacedName)
		r.moves.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading binding %s: %w", req.NamespacedName, err)
	}
	if !ours(binding) {
		return ctrl.Result{}, nil
	}
	if !r.writes.Seen(req.NamespacedName, binding.GetResourceVersion()) {
		return ctrl.Result{RequeueAfter: ownwrites.Retry}, nil
	}
	clusters, err := r.clusters(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	decision := schedule.Decide(schedule.Input{Binding: binding.BindingSpec(), Clusters: clusters})
	result, err := r.carryOut(ctx, binding, decision)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil // deleted meanwhile
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: ownwrites.Retry}, nil // changed meanwhile: decide anew
	default:
		return result, err
	}
}

// ours says whether this scheduler decides about a binding. Without a placement no policy asked for it.
func ours(binding v1alpha1.Binding) bool {
	spec := binding.BindingSpec()
	return binding.GetDeletionTimestamp() == nil && spec.Placement != nil &&
		(spec.SchedulerName == "" || spec.SchedulerName == SchedulerName)
}

func (r *Reconciler) clusters(ctx context.Context) ([]*v1alpha1.Cluster, error) {
	var list v1alpha1.ClusterList
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	clusters := make([]*v1alpha1.Cluster, len(list.Items))
	for i := range list.Items {
		clusters[i] = &list.Items[i]
	}
	return clusters, nil
}

// carryOut writes what a decision changes: the clusters at once, since they are what matters, and tellDelay later
// what to tell about it. It changes binding, which must not be the cache's own.
func (r *Reconciler) carryOut(ctx context.Context, binding v1alpha1.Binding, decision schedule.Decision) (ctrl.Result, error) {
	key, now := client.ObjectKeyFromObject(binding), r.clock.Now()
	before := *binding.BindingStatus()
	if !equality.Semantic.DeepEqual(binding.BindingSpec().Clusters, decision.Clusters) {
		if err := r.writeClusters(ctx, binding, decision.Clusters); err != nil {
			return ctrl.Result{}, err
		}
		r.moves.note(key, now)
	}
	moved := r.moves.last(key)
	if wait := tellDelay - now.Sub(moved); decision.Scheduled() && wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	status := wantedStatus(before, decision, binding.GetGeneration(), moved, now)
	if sameStatus(before, status) {
		r.moves.forget(key)
		return ctrl.Result{}, nil
	}
	version, err := objectpatch.ApplyStatusVersion(ctx, r.client, binding, objectpatch.SchedulingOwner, &status)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.writes.Wrote(key, version)
	r.moves.forget(key)
	r.tellTurn(binding, before.Conditions, status.Conditions[0])
	return ctrl.Result{}, nil
}

// writeClusters replaces spec.clusters, unless the binding has changed since it was read. binding is then what
// the host answered, so that its generation is the one that the decision led to.
func (r *Reconciler) writeClusters(ctx context.Context, binding v1alpha1.Binding, clusters []v1alpha1.TargetCluster) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": binding.GetResourceVersion()},
		"spec":     map[string]any{"clusters": orNull(clusters)},
	})
	if err != nil {
		return fmt.Errorf("encoding the clusters of binding %s: %w", binding.GetName(), err)
	}
	err = r.client.Patch(ctx, binding, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(objectpatch.SchedulingOwner))
	if err != nil {
		return fmt.Errorf("writing the clusters of binding %s: %w", client.ObjectKeyFromObject(binding), err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(binding), binding.GetResourceVersion())
	return nil
}

// orNull removes the field rather than leaving an empty list behind.
func orNull(clusters []v1alpha1.TargetCluster) any {
	if len(clusters) == 0 {
		return nil
	}
	return clusters
}
