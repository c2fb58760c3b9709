package rebalance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=workloadrebalancers,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=flotilla.dev,resources=workloadrebalancers/status,verbs=patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch;patch

const name = "rebalance"

// askConcurrency keeps that many requests to the host in flight, so that a large request is asked within seconds.
const askConcurrency = 16

// Options are what the controller needs.
type Options struct {
	// Templates is the cache of the templates on the host.
	Templates Templates
	// Clock; the real one when nil.
	Clock clock.PassiveClock
}

// Reconciler carries out WorkloadRebalancers.
type Reconciler struct {
	client    client.Client
	templates Templates
	clock     clock.PassiveClock
	writes    *ownwrites.Writes
}

// Setup adds the controller to a manager. The manager's cache must have the indexes of package hostindex.
func Setup(mgr ctrl.Manager, o Options) error {
	r := newReconciler(mgr.GetClient(), o)
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&v1alpha1.WorkloadRebalancer{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(specchange.Predicate())).
		Watches(&v1alpha1.ResourceBinding{}, r.onBinding()).
		Watches(&v1alpha1.ClusterResourceBinding{}, r.onBinding()).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up %s: %w", name, err)
	}
	return nil
}

func newReconciler(c client.Client, o Options) *Reconciler {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Reconciler{client: c, templates: o.Templates, clock: o.Clock, writes: ownwrites.New(o.Clock)}
}

// Reconcile takes one request a step further.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	rebalancer := &v1alpha1.WorkloadRebalancer{}
	if err := r.client.Get(ctx, req.NamespacedName, rebalancer); err != nil {
		if apierrors.IsNotFound(err) {
			r.writes.Forget(req.NamespacedName)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading workload rebalancer %s: %w", req.Name, err)
	}
	if rebalancer.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	cached := rebalancer.ResourceVersion
	if !r.writes.Seen(req.NamespacedName, cached) {
		return ctrl.Result{RequeueAfter: r.writes.Wait(req.NamespacedName)}, nil
	}
	result, err := r.step(ctx, rebalancer)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // it was deleted or replaced meanwhile
		r.writes.Refused(req.NamespacedName, cached)
		return ctrl.Result{RequeueAfter: r.writes.Wait(req.NamespacedName)}, nil
	}
	return result, err
}

func (r *Reconciler) step(ctx context.Context, rebalancer *v1alpha1.WorkloadRebalancer) (ctrl.Result, error) {
	current := rebalancer.Status.ObservedGeneration == rebalancer.Generation
	if current && rebalancer.Status.FinishTime != nil {
		return r.expire(ctx, rebalancer)
	}
	selector, err := labelSelector(rebalancer)
	if err != nil {
		return ctrl.Result{}, r.write(ctx, rebalancer, refused(rebalancer, err, r.clock.Now()))
	}
	if !current || rebalancer.Status.StartTime == nil {
		if err := r.write(ctx, rebalancer, begun(rebalancer, r.clock.Now())); err != nil {
			return ctrl.Result{}, err
		}
	}
	return r.advance(ctx, rebalancer, selector)
}

// advance asks where that has not been done, and tells how far the request is.
func (r *Reconciler) advance(ctx context.Context, rebalancer *v1alpha1.WorkloadRebalancer, selector labels.Selector) (ctrl.Result, error) {
	targets, err := r.targets(ctx, rebalancer, selector)
	if errors.Is(err, objectcache.ErrNotSynced) {
		return ctrl.Result{RequeueAfter: syncRetry}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	start, now := *rebalancer.Status.StartTime, r.clock.Now()
	outcomes := make([]outcome, len(targets))
	asking, askCtx := errgroup.WithContext(ctx)
	asking.SetLimit(askConcurrency)
	for i, t := range targets {
		outcomes[i] = judge(t, start.Time, now)
		if outcomes[i].ask {
			asking.Go(func() error { return r.ask(askCtx, t.binding, start) })
		}
	}
	if err := asking.Wait(); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.write(ctx, rebalancer, progressed(rebalancer, outcomes, now)); err != nil {
		return ctrl.Result{}, err
	}
	if rebalancer.Status.FinishTime != nil {
		return r.expire(ctx, rebalancer)
	}
	return ctrl.Result{RequeueAfter: max(start.Add(patience).Sub(now), time.Second)}, nil
}

// ask writes a request into a binding. One that was deleted meanwhile is told when its end is seen.
func (r *Reconciler) ask(ctx context.Context, binding v1alpha1.Binding, start metav1.Time) error {
	request := map[string]any{"rescheduleTriggeredAt": start.UTC().Format(time.RFC3339)}
	err := objectpatch.ApplySpec(ctx, r.client, binding, objectpatch.RebalanceOwner, request)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// write writes the status, if it differs, and keeps it in rebalancer.
func (r *Reconciler) write(ctx context.Context, rebalancer *v1alpha1.WorkloadRebalancer, status v1alpha1.WorkloadRebalancerStatus) error {
	if equality.Semantic.DeepEqual(rebalancer.Status, status) {
		return nil
	}
	version, err := objectpatch.ApplyStatusVersion(ctx, r.client, rebalancer, objectpatch.RebalanceOwner, &status)
	if err != nil {
		return err
	}
	r.writes.Wrote(client.ObjectKeyFromObject(rebalancer), version)
	rebalancer.Status, rebalancer.ResourceVersion = status, version
	return nil
}

// expire deletes a request that has finished when its time is up; not one that was edited meanwhile.
func (r *Reconciler) expire(ctx context.Context, rebalancer *v1alpha1.WorkloadRebalancer) (ctrl.Result, error) {
	if rebalancer.Spec.TTLSecondsAfterFinished == nil {
		return ctrl.Result{}, nil
	}
	end := rebalancer.Status.FinishTime.Add(time.Duration(*rebalancer.Spec.TTLSecondsAfterFinished) * time.Second)
	if left := end.Sub(r.clock.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	err := r.client.Delete(ctx, rebalancer, client.Preconditions{UID: &rebalancer.UID, ResourceVersion: &rebalancer.ResourceVersion})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("deleting workload rebalancer %s, whose time is up: %w", rebalancer.Name, err)
	}
	return ctrl.Result{}, nil
}
