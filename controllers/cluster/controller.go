package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/health"
	"github.com/flotilla-dev/flotilla/internal/lookout"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters/status,verbs=patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters/finalizers,verbs=update
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch
// +kubebuilder:rbac:roleName=flotilla-credentials,groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:roleName=flotilla-credentials,groups="",resources=secrets,resourceNames=credentials,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch

const name = "cluster"

// Connections opens and closes what execution uses; membercluster.Pool is one.
type Connections interface {
	Connect(name string, connection membercluster.Connection) error
	Disconnect(name string)
	// OnServed registers what is called when a member serves a kind that it did not serve before.
	OnServed(f func(cluster string))
}

// Options are what the controller needs.
type Options struct {
	// HostUID is the UID of the host's kube-system namespace.
	HostUID string
	// Connections to the members.
	Connections Connections
	// Capacity is where the room of members is found out whose Clusters do not say it.
	Capacity v1alpha1.CapacitySource
	// CredentialsRole is the ClusterRole that lets the manager read credentials; v1alpha1.CredentialsRole when empty.
	CredentialsRole string
	// Clock; the real one when nil.
	Clock clock.PassiveClock
	// Workers is how many members are looked at at the same time; 32 when zero.
	Workers int
	// Failover is true when taints with the effect NoExecute evict.
	Failover bool
	// Timings of the looks; the defaults where zero.
	Timings Timings
	// Lookout takes note of each look; none is noted when nil.
	Lookout *lookout.Lookout
	// Leftovers are what a member holds, and the host has forgotten and does not want. There are none when nil.
	Leftovers func(*v1alpha1.Cluster) report.Leftovers
	// Wrap is put around the transports to members; nothing is when nil.
	Wrap transport.WrapperFunc
}

// Timings say how often and how patiently members are looked at.
type Timings struct {
	// ProbeInterval between two probes of a member, give or take a tenth; 10 s when zero.
	ProbeInterval time.Duration
	// ProbeTimeout bounds one probe; 5 s when zero.
	ProbeTimeout time.Duration
	// CollectInterval between two looks at a member's APIs and capacity; 30 s when zero.
	CollectInterval time.Duration
	// CollectTimeout bounds such a look; 20 s when zero.
	CollectTimeout time.Duration
	// SuccessThreshold is how long a member that did not answer must answer before it is Ready again;
	// 30 s when zero.
	SuccessThreshold time.Duration
	// FailureThreshold is how long a Ready member must not answer before it is no longer Ready; 30 s when
	// zero.
	FailureThreshold time.Duration
}

// LooksCount is for how long a look at a member says how it is: three of the next may fail to happen, or take as long as they may.
func (t Timings) LooksCount() time.Duration {
	t = t.withDefaults()
	return 3*(t.ProbeInterval+t.ProbeTimeout) + t.CollectTimeout
}

// The defaults of Timings. The thresholds are the peer's; three probes make one decision.
const (
	defaultWorkers          = 32
	defaultProbeInterval    = 10 * time.Second
	defaultProbeTimeout     = 5 * time.Second
	defaultCollectInterval  = 30 * time.Second
	defaultCollectTimeout   = 20 * time.Second
	defaultSuccessThreshold = 30 * time.Second
	defaultFailureThreshold = 30 * time.Second
	jitter                  = 0.1
	// minLook keeps a member whose threshold is just over from being looked at in a loop.
	minLook = 100 * time.Millisecond
)

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.CredentialsRole == "" {
		o.CredentialsRole = v1alpha1.CredentialsRole
	}
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	o.Timings = o.Timings.withDefaults()
	return o
}

func (t Timings) withDefaults() Timings {
	for value, fallback := range map[*time.Duration]time.Duration{
		&t.ProbeInterval: defaultProbeInterval, &t.ProbeTimeout: defaultProbeTimeout,
		&t.CollectInterval: defaultCollectInterval, &t.CollectTimeout: defaultCollectTimeout,
		&t.SuccessThreshold: defaultSuccessThreshold, &t.FailureThreshold: defaultFailureThreshold,
	} {
		if *value == 0 {
			*value = fallback
		}
	}
	return t
}

// Reconciler keeps what is known of each member true.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	options  Options
	// claims makes taking a member's identity one at a time; only the leader runs this controller.
	claims sync.Mutex
	// collected holds, by Cluster UID, when its APIs and capacity were last looked at.
	collected sync.Map
	// attended holds, by name, the UID of each Cluster that was looked at, so that what is kept by UID ends with it.
	attended sync.Map
	// again looks at a member at once, its APIs and capacity included; nil until the controller runs.
	again atomic.Pointer[func(cluster string)]
}

// Setup adds the controller to the manager. The manager's cache must know hostindex's indexes.
func Setup(mgr ctrl.Manager, o Options) error {
	o = o.withDefaults()
	r := &Reconciler{client: mgr.GetClient(), live: mgr.GetAPIReader(), recorder: mgr.GetEventRecorder("flotilla-" + name), options: o}
	o.Connections.OnServed(func(cluster string) {
		if again := r.again.Load(); again != nil {
			(*again)(cluster)
		}
	})
	err := ctrl.NewControllerManagedBy(mgr).Named(name).
		For(&v1alpha1.Cluster{}, builder.WithPredicates(predicate.Or(
			specchange.Predicate(), predicate.AnnotationChangedPredicate{}))).
		WatchesRawSource(source.Func(r.begin)).
		WithOptions(controller.Options{MaxConcurrentReconciles: o.Workers}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller %s: %w", name, err)
	}
	return setupStandby(mgr, r)
}

// begin lets members be looked at out of turn: where a kind is served at last, templates of that kind wait to be placed.
func (r *Reconciler) begin(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	again := func(name string) {
		var cluster v1alpha1.Cluster
		key := client.ObjectKey{Name: name}
		if err := r.client.Get(ctx, key, &cluster); err != nil {
			return // it is gone, or will be looked at in turn
		}
		r.collected.Delete(cluster.UID)
		queue.Add(reconcile.Request{NamespacedName: key})
	}
	r.again.Store(&again)
	return nil
}

// Reconcile lets one member leave, or looks at it. One without a Cluster, because somebody took the finalizer off, is disconnected: the
// stand-by does that as well, but cannot wait for a look of the leader's that is just connecting it.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.Cluster{}
	err := r.client.Get(ctx, req.NamespacedName, cluster)
	switch {
	case apierrors.IsNotFound(err):
		r.options.Connections.Disconnect(req.Name)
		r.forget(req.Name, "")
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("reading Cluster %s: %w", req.Name, err)
	case !cluster.DeletionTimestamp.IsZero():
		return r.remove(ctx, cluster)
	}
	return r.attend(ctx, cluster)
}

// attend looks at one member, reports what it saw, and comes back after the probe interval.
func (r *Reconciler) attend(ctx context.Context, cluster *v1alpha1.Cluster) (ctrl.Result, error) {
	r.forget(cluster.Name, cluster.UID)
	if err := r.adopt(ctx, cluster); err != nil {
		return ctrl.Result{}, err
	}
	seen, err := r.look(ctx, cluster)
	if err != nil {
		return ctrl.Result{}, err
	}
	status := nextStatus(cluster, seen, r.options.Clock.Now(), r.options)
	show(cluster.Name, seen, &status)
	if r.options.Lookout != nil {
		r.options.Lookout.Note(cluster.UID, lookout.Look{
			Answers: seen.fault == nil, Refuses: seen.fault != nil && !health.IsSilence(seen.fault.Reason),
			Ready: meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady),
		})
	}
	if err := r.report(ctx, cluster, status); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: nextLook(&status, r.options.Timings, r.options.Clock.Now())}, nil
}

// forget drops what is remembered of a Cluster that is gone, however it went. successor is the UID of the one that has its name now; empty
// for none.
func (r *Reconciler) forget(name string, successor types.UID) {
	var last any
	if successor == "" {
		last, _ = r.attended.LoadAndDelete(name)
	} else {
		last, _ = r.attended.Swap(name, successor)
	}
	gone, known := last.(types.UID)
	if !known || gone == successor {
		return
	}
	r.collected.Delete(gone)
	if r.options.Lookout != nil {
		r.options.Lookout.Forget(gone)
	}
}

// nextLook is when to look again: after the interval, or as soon as what was seen last would have held for long enough.
func nextLook(status *v1alpha1.ClusterStatus, t Timings, now time.Time) time.Duration {
	interval := wait.Jitter(t.ProbeInterval, jitter)
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || status.Probe == nil || ready.Status == status.Probe.Outcome {
		return interval
	}
	threshold := t.FailureThreshold
	if status.Probe.Outcome == metav1.ConditionTrue {
		threshold = t.SuccessThreshold
	}
	due := status.Probe.Since.Add(threshold).Sub(now)
	return min(interval, max(due, minLook))
}
