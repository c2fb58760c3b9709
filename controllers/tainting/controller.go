package tainting

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/lookout"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/specchange"
	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/internal/taintplan"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters/status,verbs=patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=clustertaintpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=clustertaintpolicies/status,verbs=patch

const (
	name = "tainting"
	// afterConflict is how long the cache may take to show what is newer than what was read.
	afterConflict = 200 * time.Millisecond
	// minWait keeps what is due at this moment from being asked for in a loop.
	minWait = 50 * time.Millisecond
)

// Options are what the controller needs.
type Options struct {
	// Failover is true when clusters that are lost get taints that evict, and when ClusterTaintPolicies count.
	Failover bool
	// Delay is how long a cluster must have been not Ready until it gets the taint that evicts.
	Delay time.Duration
	// Limits of what may be evicted.
	Limits stampede.Limits
	// Board of what members report; they tell it before it is in the bindings' status.
	Board *report.Board
	// Lookout of this process; what Clusters say is taken for what is so when nil, as in tests.
	Lookout *lookout.Lookout
	// Clock; the real one when nil.
	Clock clock.PassiveClock
}

// Reconciler keeps the taints of the whole fleet true.
type Reconciler struct {
	client   client.Client
	recorder events.EventRecorder
	options  Options
	// held is true when the last plan held what evicts, heldUntil when one last ceased to. Plans do not overlap.
	held      bool
	heldUntil time.Time
	// told is the last reason that was announced of each cluster since this process leads.
	told map[string]string
}

// Setup adds the controller to the manager. The manager's cache must keep the managedFields of Clusters, and have the indexes of package
// hostindex.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	r := &Reconciler{client: mgr.GetClient(), recorder: mgr.GetEventRecorder("flotilla-" + name), options: o}
	// One request stands for the fleet: whether one cluster is evicted depends on all others.
	fleet := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{}}
	})
	news := source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		if o.Lookout != nil {
			o.Lookout.OnNews(func() { q.Add(reconcile.Request{}) })
		}
		return nil
	})
	err := ctrl.NewControllerManagedBy(mgr).Named(name).
		WatchesRawSource(news).
		Watches(&v1alpha1.Cluster{}, fleet, builder.WithPredicates(matters())).
		Watches(&v1alpha1.ClusterTaintPolicy{}, fleet, builder.WithPredicates(specchange.Predicate())).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller %s: %w", name, err)
	}
	return nil
}

// matters lets through what a plan may depend on: not what a member reports every half minute.
func matters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		old, wasCluster := e.ObjectOld.(*v1alpha1.Cluster)
		now, isCluster := e.ObjectNew.(*v1alpha1.Cluster)
		return !wasCluster || !isCluster || specchange.Between(old, now) || !reflect.DeepEqual(old.Labels, now.Labels) ||
			!old.DeletionTimestamp.Equal(now.DeletionTimestamp) || old.Status.KubernetesVersion != now.Status.KubernetesVersion ||
			!apiequality.Semantic.DeepEqual(old.Status.Conditions, now.Status.Conditions) ||
			!apiequality.Semantic.DeepEqual(old.Status.Probe, now.Status.Probe) ||
			!apiequality.Semantic.DeepEqual(old.Status.TaintTimes, now.Status.TaintTimes)
	}}
}

// Reconcile plans the taints of the whole fleet and writes what differs. What one cluster refuses keeps no other waiting.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (ctrl.Result, error) {
	in, err := r.gather(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	plan := taintplan.Make(in)
	measure(in)
	var faults []error
	outdated := false
	keep := func(err error) {
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			outdated = true // there is something newer, which the cache will show
			return
		}
		faults = append(faults, err)
	}
	// First what a policy remembers, then the taints: a policy that forgot would take them back.
	for i := range in.Policies {
		if status, planned := plan.Policies[in.Policies[i].Name]; planned {
			keep(r.reportPolicy(ctx, &in.Policies[i], status))
		}
	}
	for i := range in.Clusters {
		cluster := &in.Clusters[i]
		if p, planned := plan.Clusters[cluster.Name]; planned {
			keep(r.taint(ctx, cluster, taintplan.Ours(cluster, in.Owned[cluster.Name]), p))
			keep(r.report(ctx, cluster, p))
		}
	}
	return again(plan.Next, outdated, in.Now), errors.Join(faults...)
}

func again(next time.Time, outdated bool, now time.Time) ctrl.Result {
	switch {
	case outdated:
		return ctrl.Result{RequeueAfter: afterConflict}
	case next.IsZero():
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(minWait, next.Sub(now))}
}

func (r *Reconciler) gather(ctx context.Context) (taintplan.Input, error) {
	in := taintplan.Input{Owned: map[string]map[taintplan.Key]bool{}, Leftovers: map[string]int{}, Failover: r.options.Failover, Delay: r.options.Delay, Now: r.options.Clock.Now()}
	var clusters v1alpha1.ClusterList
	if err := r.client.List(ctx, &clusters); err != nil {
		return in, fmt.Errorf("listing Clusters: %w", err)
	}
	var policies v1alpha1.ClusterTaintPolicyList
	if err := r.client.List(ctx, &policies); err != nil {
		return in, fmt.Errorf("listing ClusterTaintPolicies: %w", err)
	}
	in.Clusters, in.Policies = clusters.Items, policies.Items
	for i := range in.Clusters {
		cluster := &in.Clusters[i]
		in.Owned[cluster.Name] = cluster.OwnTaints()
		if !taintplan.Returning(cluster, in.Owned[cluster.Name]) {
			continue
		}
		left, err := r.leftovers(ctx, cluster.Name)
		if err != nil {
			return in, err
		}
		in.Leftovers[cluster.Name] = left
	}
	if r.options.Lookout != nil {
		in.Sightings = r.options.Lookout.Sightings()
	}
	in.Verdict = stampede.Judge(stampede.Members(in.Clusters, in.Sightings), r.options.Limits)
	in.HeldUntil = r.noteHold(in.Verdict.Held(), in.Now)
	return in, nil
}

// noteHold is when a hold last ended.
func (r *Reconciler) noteHold(held bool, now time.Time) time.Time {
	if r.held && !held {
		r.heldUntil = now
	}
	r.held = held
	return r.heldUntil
}

func (r *Reconciler) reportPolicy(ctx context.Context, policy *v1alpha1.ClusterTaintPolicy, want v1alpha1.ClusterTaintPolicyStatus) error {
	if apiequality.Semantic.DeepEqual(policy.Status, want) {
		return nil
	}
	return objectpatch.ApplyStatus(ctx, r.client, policy, objectpatch.TaintingOwner, &want)
}

// report writes the part of a Cluster's status that is this package's, and an event when there is something new to say.
func (r *Reconciler) report(ctx context.Context, cluster *v1alpha1.Cluster, p taintplan.ClusterPlan) error {
	before := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionTainted)
	want := v1alpha1.ClusterStatus{TaintTimes: p.Times}
	if p.Tainted != nil {
		want.Conditions = append(want.Conditions, *p.Tainted)
	}
	if apiequality.Semantic.DeepEqual(before, p.Tainted) && apiequality.Semantic.DeepEqual(cluster.Status.TaintTimes, p.Times) {
		return nil
	}
	if err := objectpatch.ApplyStatus(ctx, r.client, cluster, objectpatch.TaintingOwner, &want); err != nil {
		return err
	}
	r.announce(cluster, before, p.Tainted)
	return nil
}
