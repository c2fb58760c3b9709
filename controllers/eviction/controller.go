package eviction

import (
	"context"
	"fmt"
	"time"

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
	"github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/lookout"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const name = "eviction"

const (
	// minRetry and maxRetry bound the wait after a sweep in which a write failed. It stays short: one binding that cannot be
	// written must not hold up the others.
	minRetry = 50 * time.Millisecond
	maxRetry = time.Second
)

// Options are what the controller needs.
type Options struct {
	// Settings of the administrator.
	Settings eviction.Settings
	// Lookout of this process; what Clusters say is taken for what is so when nil, as in tests.
	Lookout *lookout.Lookout
	// Board on which members are doubted and heard; what bindings' statuses say is taken for what is so when nil, as in tests.
	Board *report.Board
	// Clock; the real one when nil.
	Clock clock.PassiveClock
}

// Reconciler sweeps over all clusters and the bindings concerned.
type Reconciler struct {
	client   client.Client
	events   events.EventRecorder
	clock    clock.PassiveClock
	settings eviction.Settings
	lookout  *lookout.Lookout
	board    *report.Board
	writes   *ownwrites.Writes
	// turns, failed and held are what the last sweep leaves to the next. Sweeps do not overlap.
	turns  eviction.Turns
	failed sets.Set[types.NamespacedName]
	held   sets.Set[string]
}

// sweep is the only request.
var sweep = ctrl.Request{NamespacedName: types.NamespacedName{Name: "sweep"}}

// Setup adds the controller to a manager. The manager's cache must have the indexes of package hostindex.
func Setup(mgr ctrl.Manager, o Options) error {
	r := newReconciler(mgr.GetClient(), mgr.GetEventRecorder("flotilla-"+name), o)
	begin := source.Func(func(_ context.Context, q queue) error {
		q.Add(sweep)
		if o.Lookout != nil {
			o.Lookout.OnNews(func() { wake(q) })
		}
		if o.Board != nil {
			o.Board.OnHearing(func() { wake(q) })
		}
		return nil
	})
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&v1alpha1.Cluster{}, onCluster()).
		Watches(&v1alpha1.ResourceBinding{}, r.onBinding()).
		Watches(&v1alpha1.ClusterResourceBinding{}, r.onBinding()).
		WatchesRawSource(begin).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 1,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](minRetry, maxRetry),
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
	return &Reconciler{
		client: c, events: recorder, clock: o.Clock, settings: o.Settings, lookout: o.Lookout, board: o.Board, writes: ownwrites.New(o.Clock),
		failed: sets.New[types.NamespacedName](), held: sets.New[string](),
	}
}

// Reconcile sweeps once: gather, plan, write, tell. What fails for one binding does not stop the others.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var clusters v1alpha1.ClusterList
	if err := r.client.List(ctx, &clusters, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing clusters: %w", err)
	}
	bindings, wait, err := r.gather(ctx, clusters.Items)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.clock.Now()
	in := eviction.Input{Clusters: clusters.Items, Bindings: bindings, Turns: r.turns, Failed: r.failed, Now: now, Settings: r.settings}
	if r.lookout != nil {
		in.Sightings = r.lookout.Sightings()
	}
	in.Heard = r.hearing(in.Sightings)
	plan := eviction.Plan(in)
	r.turns = plan.Turns
	for _, doubt := range plan.Doubts {
		r.board.Doubt(doubt.Binding, doubt.Cluster)
	}
	conflicts, err := r.write(ctx, plan.Changes)
	if conflicts {
		wait = ownwrites.Retry
	}
	r.tellGuard(clusters.Items, &plan)
	observe(&plan)
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: lookAgain(&plan, now, wait)}, nil
}

// hearing tells what members have said of applications since they last began to answer; nil without a board.
func (r *Reconciler) hearing(seen stampede.Sightings) func(types.NamespacedName, *v1alpha1.Cluster) (v1alpha1.Health, bool) {
	if r.board == nil {
		return nil
	}
	return func(binding types.NamespacedName, cluster *v1alpha1.Cluster) (v1alpha1.Health, bool) {
		said, heard := r.board.Heard(binding, cluster.Name)
		return said.Health, heard && !said.At.Before(seen[cluster.UID].AnswersSince)
	}
}

// lookAgain is when to sweep again by time alone. Where the cache is behind, wait is when it may have caught up.
func lookAgain(plan *eviction.Result, now time.Time, wait time.Duration) time.Duration {
	switch {
	case wait > 0:
		return wait
	case plan.Next.IsZero():
		return 0
	default:
		return max(plan.Next.Sub(now), time.Millisecond)
	}
}

// gather lists the bindings that a plan is about, each once. Those that the cache does not show yet as they were written last, by this
// controller or by somebody who was faster, are left out, and wait is when to look for them.
func (r *Reconciler) gather(ctx context.Context, clusters []v1alpha1.Cluster) (bindings []v1alpha1.Binding, wait time.Duration, err error) {
	type lookup struct {
		index hostindex.Index
		value string
	}
	lookups := []lookup{{hostindex.Evicting, hostindex.EvictingValue}, {hostindex.Ailing, hostindex.AilingValue}}
	for i := range clusters {
		if r.tainted(&clusters[i]) {
			lookups = append(lookups, lookup{hostindex.ByCluster, clusters[i].Name})
		}
	}
	seen := sets.New[types.NamespacedName]()
	for _, l := range lookups {
		found, err := hostindex.Bindings(ctx, r.client, l.index, l.value)
		if err != nil {
			return nil, 0, fmt.Errorf("looking for bindings by %s: %w", l.index, err)
		}
		for _, b := range found {
			key := client.ObjectKeyFromObject(b)
			switch {
			case seen.Has(key):
			case r.writes.Seen(key, b.GetResourceVersion()):
				bindings = append(bindings, b)
			case wait == 0:
				wait = r.writes.Wait(key)
			default:
				wait = min(wait, r.writes.Wait(key))
			}
			seen.Insert(key)
		}
	}
	r.failed = r.failed.Intersection(seen)
	return bindings, wait, nil
}

// tainted says whether a cluster has a taint that evicts.
func (r *Reconciler) tainted(cluster *v1alpha1.Cluster) bool {
	for i := range cluster.Spec.Taints {
		if r.settings.Evicts(&cluster.Spec.Taints[i]) {
			return true
		}
	}
	return false
}
