package scheduling

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/schedule"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
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

// Members tells how much room members have; membercluster.Pool does.
type Members interface {
	// Table is what is free in a member; false when nobody knows.
	Table(cluster string) (*capacity.Table, bool)
	// OnRoom calls f when a member may have more room than before.
	OnRoom(f func(cluster string))
	Prover
}

// Options are what the controller needs.
type Options struct {
	// Members tells how much room members have.
	Members Members
	// Capacity is where the room of members is found out whose Clusters do not say it.
	Capacity v1alpha1.CapacitySource
	// Grace bounds the wait for the replacement of a cluster that is being left; 10 min when zero.
	Grace time.Duration
	// Abrupt lets clusters be left without waiting for their replacement.
	Abrupt bool
	// Journeys times what is decided; nothing is timed when nil.
	Journeys *telemetry.Journeys
	// Clock; the real one when nil.
	Clock clock.PassiveClock
	// Concurrency is how many bindings are worked on at the same time; 16 when zero.
	Concurrency int
}

// Reconciler schedules bindings of both twins.
type Reconciler struct {
	client   client.Client
	live     client.Reader // the host itself
	members  Members
	capacity v1alpha1.CapacitySource
	grace    time.Duration
	graceful bool
	events   events.EventRecorder
	clock    clock.PassiveClock
	writes   *ownwrites.Writes
	moves    *moves
	ledger   *ledger
	waiting  *waiting
	turns    *turns
	journeys *telemetry.Journeys
	moving   movingSet

	// deciding lets one decision be made at a time, so that none is made upon what another one is about to change. It
	// guards what follows. Writing a decision takes a thousand times as long, and is done at the same time.
	deciding sync.Mutex
	guesses  map[string]guessed
	onTheWay map[types.NamespacedName][]v1alpha1.TargetCluster // decided, and not in the cache yet
}

// Setup adds the controller to a manager.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	r := newReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("flotilla-"+name), o)
	r.showState()
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&v1alpha1.ResourceBinding{}, r.onBinding()).
		Watches(&v1alpha1.ClusterResourceBinding{}, r.onBinding()).
		Watches(&v1alpha1.Cluster{}, r.onCluster()).
		WatchesRawSource(r.rooms()).
		WithOptions(controller.Options{MaxConcurrentReconciles: o.Concurrency}).
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
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	return &Reconciler{
		client: c, live: live, members: o.Members, capacity: o.Capacity, grace: o.Grace, graceful: !o.Abrupt, events: recorder, clock: o.Clock, writes: ownwrites.New(o.Clock),
		moves: &moves{at: map[types.NamespacedName]time.Time{}}, ledger: newLedger(), waiting: newWaiting(), turns: newTurns(),
		journeys: o.Journeys, moving: movingSet{bindings: map[types.NamespacedName]bool{}},
		guesses: map[string]guessed{}, onTheWay: map[types.NamespacedName][]v1alpha1.TargetCluster{},
	}
}

// Reconcile decides where one binding goes, and writes what differs. A request without a namespace means a
// ClusterResourceBinding.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	r.turns.begun(req.NamespacedName)
	binding, err := hostindex.Binding(ctx, r.client, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading binding %s: %w", req.NamespacedName, err)
	}
	if !ours(binding) {
		r.waiting.drop(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	cached := binding.GetResourceVersion()
	if !r.writes.Seen(req.NamespacedName, cached) {
		return ctrl.Result{RequeueAfter: r.writes.Wait(req.NamespacedName)}, nil
	}
	decision, undo, err := r.consider(ctx, binding)
	if err != nil {
		return ctrl.Result{}, err
	}
	result, err := r.carryOut(ctx, binding, decision, undo)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil // deleted meanwhile
	case apierrors.IsConflict(err):
		r.writes.Refused(req.NamespacedName, cached) // changed meanwhile: decide anew, upon what it is now
		return ctrl.Result{RequeueAfter: r.writes.Wait(req.NamespacedName)}, nil
	default:
		return result, err
	}
}

// consider decides about a binding, and asks its members first, or once more, where the decision rests on what they said.
func (r *Reconciler) consider(ctx context.Context, binding v1alpha1.Binding) (decision verdict, undo func(), err error) {
	var known evidence
	if known.unseen, err = r.unseen(ctx, binding.BindingSpec()); err != nil {
		return verdict{}, nil, err
	}
	if known.fresh, err = r.prove(ctx, binding, known.unseen); err != nil {
		return verdict{}, nil, err
	}
	decision, undo, err = r.decide(ctx, binding, known)
	if err != nil || !decision.plan.Doubtful {
		return decision, undo, err
	}
	undo()
	clusters, err := r.clusters(ctx, known.unseen)
	if err != nil {
		return verdict{}, nil, err
	}
	known.fresh = r.ask(ctx, binding, clusters)
	return r.decide(ctx, binding, known)
}

// ours says whether this scheduler decides about a binding. Without a placement no policy asked for it.
func ours(binding v1alpha1.Binding) bool {
	spec := binding.BindingSpec()
	return binding.GetDeletionTimestamp() == nil && spec.Placement != nil &&
		(spec.SchedulerName == "" || spec.SchedulerName == SchedulerName)
}

// decide decides about a binding, and books the room that the decision takes. undo takes that back, when the decision
// could not be written.
func (r *Reconciler) decide(ctx context.Context, binding v1alpha1.Binding, known evidence) (decision verdict, undo func(), err error) {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	key, spec := client.ObjectKeyFromObject(binding), binding.BindingSpec()
	delete(r.onTheWay, key) // the cache shows the last decision
	begun := r.clock.Now()
	if suspended(spec) {
		return stay(binding, schedule.Decision{
			Clusters: spec.Clusters, Reason: v1alpha1.ReasonSuspended, Message: "spec.suspension.scheduling is true", Memory: memoryOf(binding),
		}), func() {}, nil
	}
	in, err := r.input(ctx, binding, known.unseen)
	if err != nil {
		return verdict{}, nil, err
	}
	decision = r.handOver(binding, schedule.Decide(in), in.Clusters, known)
	decisionSeconds.WithLabelValues().Observe(r.clock.Since(begun).Seconds())
	decisions.WithLabelValues(decision.Reason).Inc()
	who := claimOf(binding)
	changes := moved(spec.Clusters, decision.Clusters)
	r.waiting.set(key, wait{class: who.class, priority: priorityOf(binding), clusters: leftOver(fullClusters(&decision.Decision), in.Room, changes)})
	giveBack := func() {}
	if len(changes) > 0 {
		r.onTheWay[key] = decision.Clusters
		if schedule.UsesRoom(spec) {
			giveBack = r.ledger.book(who, changes, in.Now)
		}
	}
	return decision, func() { giveBack(); r.arrived(key) }, nil
}

func suspended(spec *v1alpha1.BindingSpec) bool {
	return spec.Suspension != nil && spec.Suspension.Scheduling != nil && *spec.Suspension.Scheduling
}

// arrived says that the cache shows where a binding is.
func (r *Reconciler) arrived(key types.NamespacedName) {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	delete(r.onTheWay, key)
}

// moved is what a decision changes in each cluster. An object without a number of replicas counts as one.
func moved(before, after []v1alpha1.TargetCluster) map[string]change {
	changes := map[string]change{}
	for _, target := range before {
		changes[target.Name] = change{more: -ptr.Deref(target.Replicas, 1)}
	}
	for _, target := range after {
		replicas := ptr.Deref(target.Replicas, 1)
		changes[target.Name] = change{more: changes[target.Name].more + replicas, decided: replicas}
	}
	for cluster, change := range changes {
		if change.more == 0 {
			delete(changes, cluster)
		}
	}
	return changes
}

// safetyLook is when a binding that waits is looked at although nothing told that it should be.
const safetyLook = 5 * time.Minute

// carryOut writes what a decision changes: the clusters at once, since they are what matters, and tellDelay later
// what to tell about it. It calls undo when the clusters could not be written; a status that could not be written undoes
// nothing. It changes binding, which must not be the cache's own.
func (r *Reconciler) carryOut(ctx context.Context, binding v1alpha1.Binding, decision verdict, undo func()) (ctrl.Result, error) {
	key, now := client.ObjectKeyFromObject(binding), r.clock.Now()
	before := *binding.BindingStatus()
	if err := r.place(ctx, binding, decision, now); err != nil {
		undo()
		return ctrl.Result{}, err
	}
	r.moving.set(key, decision.plan.Moving())
	if len(decision.Clusters) == 0 {
		r.journeys.Drop(key) // the condition Scheduled says what it waits for
	}
	again := lookAgain(&decision)
	last := r.moves.last(key)
	if wait := tellDelay - now.Sub(last); decision.Scheduled() && wait > 0 {
		return ctrl.Result{RequeueAfter: wait, Priority: ptr.To(afterAll)}, nil
	}
	status := wantedStatus(before, decision, binding.GetGeneration(), last, now)
	if decision.Reason == v1alpha1.ReasonSuspended && before.LastScheduledTime != nil || sameStatus(before, status) {
		r.moves.forget(key)
		return again, nil
	}
	version, err := objectpatch.ApplyStatusVersion(ctx, r.client, binding, objectpatch.SchedulingOwner, &status)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.writes.WroteOf(key, version, binding.GetGeneration())
	r.moves.forget(key)
	r.tellTurn(binding, before.Conditions, status.Conditions[0])
	return again, nil
}

// place writes where a template goes, if a decision changes that or what is remembered of it.
func (r *Reconciler) place(ctx context.Context, binding v1alpha1.Binding, decision verdict, now time.Time) error {
	old, retained := binding.BindingSpec().Clusters, binding.BindingSpec().Retained
	moves := !sameList(old, decision.Clusters)
	if !moves && sameList(retained, decision.plan.Retained) && decision.Memory.String() == binding.GetAnnotations()[v1alpha1.DecisionAnnotation] {
		return nil
	}
	if err := r.writeDecision(ctx, binding, decision); err != nil {
		return err
	}
	if moves {
		placements.WithLabelValues(triggerLabel(decision.Trigger)).Inc()
		r.journeys.Scheduled(client.ObjectKeyFromObject(binding))
		r.moves.note(client.ObjectKeyFromObject(binding), now)
		r.tellMove(binding, decision.Decision, moved(old, decision.Clusters))
	}
	return nil
}

func sameList[T any](a, b []T) bool {
	return len(a)+len(b) == 0 || equality.Semantic.DeepEqual(a, b)
}

// lookAgain is when time alone is a reason to decide anew.
func lookAgain(v *verdict) ctrl.Result {
	after := v.RetryAfter
	if after == 0 && (v.Pending > 0 || len(fullClusters(&v.Decision)) > 0) {
		after = safetyLook
	}
	if v.plan.RetryAfter > 0 && (after == 0 || v.plan.RetryAfter < after) {
		after = v.plan.RetryAfter
	}
	return ctrl.Result{RequeueAfter: after}
}

// memoryOf is what the last decision remembered. One that cannot be read was written by somebody else, and counts as
// none.
func memoryOf(binding v1alpha1.Binding) schedule.Memory {
	memory, err := schedule.ParseMemory(binding.GetAnnotations()[v1alpha1.DecisionAnnotation])
	if err != nil {
		return schedule.Memory{}
	}
	return memory
}

// writeDecision replaces spec.clusters, spec.retained and the scheduler's memory, unless the binding has changed since it was read.
// binding is then what the host answered, so that its generation is the one that the decision led to.
func (r *Reconciler) writeDecision(ctx context.Context, binding v1alpha1.Binding, decision verdict) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"resourceVersion": binding.GetResourceVersion(),
			"annotations":     map[string]any{v1alpha1.DecisionAnnotation: orNull(decision.Memory.String())},
		},
		"spec": map[string]any{"clusters": listOrNull(decision.Clusters), "retained": listOrNull(decision.plan.Retained)},
	})
	if err != nil {
		return fmt.Errorf("encoding the clusters of binding %s: %w", binding.GetName(), err)
	}
	err = r.client.Patch(ctx, binding, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(objectpatch.SchedulingOwner))
	if err != nil {
		return fmt.Errorf("writing the clusters of binding %s: %w", client.ObjectKeyFromObject(binding), err)
	}
	r.writes.WroteOf(client.ObjectKeyFromObject(binding), binding.GetResourceVersion(), binding.GetGeneration())
	return nil
}

// listOrNull removes the field rather than leaving an empty list behind, and orNull an empty annotation.
func listOrNull[T any](list []T) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
