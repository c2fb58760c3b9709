package descheduling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const name = "descheduling"

// memberConcurrency is how many members are asked at the same time. Most answer from memory; one that has to be
// asked over the network, and hangs, should not delay the others.
const memberConcurrency = 64

// Options are what the controller needs.
type Options struct {
	// Members tells what is stuck.
	Members Members
	// Threshold is how long a pod must have been unschedulable.
	Threshold time.Duration
	// CoolDown is how long a limit holds.
	CoolDown time.Duration
	// Interval is the time between two sweeps.
	Interval time.Duration
	// Clock; the real one when nil.
	Clock clock.PassiveClock
}

// Reconciler sweeps over all members.
type Reconciler struct {
	client  client.Client
	members Members
	events  events.EventRecorder
	clock   clock.PassiveClock
	options Options
	// trails are what the last sweep found out, by cluster. Sweeps do not overlap.
	trails map[string]trails
}

// sweep is the only request.
var sweep = ctrl.Request{NamespacedName: types.NamespacedName{Name: "sweep"}}

// Setup adds the controller to a manager. The manager's cache must have the indexes of package hostindex.
func Setup(mgr ctrl.Manager, o Options) error {
	r := newReconciler(mgr.GetClient(), mgr.GetEventRecorder("flotilla-"+name), o)
	begin := source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		q.Add(sweep)
		return nil
	})
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		WatchesRawSource(begin).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 1,
			// One member that fails must not make the sweeps over all of them rare.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](min(time.Second, o.Interval), o.Interval),
		}).
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
	return &Reconciler{client: c, members: o.Members, events: recorder, clock: o.Clock, options: o, trails: map[string]trails{}}
}

// Reconcile sweeps once over all members and bindings. What fails for one of them does not stop the others.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var clusters v1alpha1.ClusterList
	if err := r.client.List(ctx, &clusters, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing clusters: %w", err)
	}
	exist := sets.New[string]()
	for i := range clusters.Items {
		exist.Insert(clusters.Items[i].Name)
	}
	waiting, gatherErr := r.gather(ctx, clusters.Items)
	limited, err := hostindex.Bindings(ctx, r.client, hostindex.Limited, hostindex.LimitedValue)
	if err != nil {
		return ctrl.Result{}, errors.Join(gatherErr, fmt.Errorf("looking for limited bindings: %w", err))
	}
	for _, binding := range limited {
		key := client.ObjectKeyFromObject(binding)
		if _, ok := waiting[key]; !ok {
			waiting[key] = nil
		}
	}
	errs := []error{gatherErr}
	for key, there := range waiting {
		errs = append(errs, r.limit(ctx, key, there, exist))
	}
	return ctrl.Result{RequeueAfter: r.options.Interval}, errors.Join(errs...)
}

// gather asks the members that are Ready what is stuck there; of the others nobody knows what happens now.
func (r *Reconciler) gather(ctx context.Context, clusters []v1alpha1.Cluster) (map[types.NamespacedName]map[string]stuck, error) {
	type answer struct {
		found  map[types.NamespacedName]stuck
		trails trails
		err    error
	}
	answers := make([]answer, len(clusters))
	var asking errgroup.Group
	asking.SetLimit(memberConcurrency)
	for i := range clusters {
		if clusters[i].DeletionTimestamp != nil || !meta.IsStatusConditionTrue(clusters[i].Status.Conditions, v1alpha1.ConditionReady) {
			continue
		}
		pods, known := r.members.Stuck(clusters[i].Name)
		if !known || len(pods) == 0 {
			continue
		}
		asking.Go(func() error {
			a := &answers[i]
			a.found, a.trails, a.err = r.bindingsOf(ctx, clusters[i].Name, pods, r.trails[clusters[i].Name])
			return nil
		})
	}
	_ = asking.Wait()
	waiting := map[types.NamespacedName]map[string]stuck{}
	r.trails = map[string]trails{}
	var errs []error
	for i, a := range answers {
		errs = append(errs, a.err)
		if len(a.trails) > 0 {
			r.trails[clusters[i].Name] = a.trails
		}
		for key, s := range a.found {
			if waiting[key] == nil {
				waiting[key] = map[string]stuck{}
			}
			waiting[key][clusters[i].Name] = s
		}
	}
	return waiting, errors.Join(errs...)
}

// limit writes the limits of one binding, if they differ.
func (r *Reconciler) limit(ctx context.Context, key types.NamespacedName, waiting map[string]stuck, clusters sets.Set[string]) error {
	binding, err := hostindex.Binding(ctx, r.client, key)
	if apierrors.IsNotFound(err) {
		return nil // its copies in the members are on their way out
	}
	if err != nil {
		return fmt.Errorf("reading binding %s: %w", key, err)
	}
	if binding.GetDeletionTimestamp() != nil {
		return nil
	}
	before := binding.BindingSpec().ReplicaLimits
	after := limits(facts{
		spec: binding.BindingSpec(), reports: binding.BindingStatus().AggregatedStatus, stuck: waiting,
		clusters: clusters, now: r.clock.Now(), coolDown: r.options.CoolDown,
	})
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	spec, err := fields(after)
	if err != nil {
		return fmt.Errorf("converting the limits of binding %s: %w", key, err)
	}
	err = objectpatch.ApplySpec(ctx, r.client, binding, objectpatch.DeschedulingOwner, spec)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	r.tell(binding, before, after)
	return nil
}

// fields is the part of a binding's spec that descheduling owns, as it is applied; nothing takes the limits back.
func fields(limits []v1alpha1.ReplicaLimit) (map[string]any, error) {
	if len(limits) == 0 {
		return map[string]any{}, nil
	}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(&struct {
		ReplicaLimits []v1alpha1.ReplicaLimit `json:"replicaLimits"`
	}{limits})
}
