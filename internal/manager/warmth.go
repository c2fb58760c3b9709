package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// The probes of readiness.
const (
	// warmProbe passes when this manager could take over without reading anything first.
	warmProbe = "warm"
	// leadingProbe tells the manager that leads from the others. Only /readyz/leading asks it.
	leadingProbe = "leading"
)

const (
	// warmthInterval is how often is looked whether all has been read.
	warmthInterval = 100 * time.Millisecond
	// patience is how long members are waited for, and policies that another manager installs: one that is lost must not keep a rolling
	// update from going on.
	patience = 10 * time.Second
)

// warmKinds are what the controllers watch on the host. They are watched on stand-bys, too: the controllers themselves start
// with the lease, because what they would queue up before has long been served by the leader.
func warmKinds() []client.Object {
	return []client.Object{
		&v1alpha1.Cluster{}, &v1alpha1.PropagationPolicy{}, &v1alpha1.ClusterPropagationPolicy{}, &v1alpha1.OverridePolicy{},
		&v1alpha1.ClusterOverridePolicy{}, &v1alpha1.ResourceBinding{}, &v1alpha1.ClusterResourceBinding{},
		&v1alpha1.ClusterTaintPolicy{}, &v1alpha1.WorkloadRebalancer{}, &v1alpha1.ResourceInterpreter{},
		&corev1.Namespace{}, &schedulingv1.PriorityClass{},
	}
}

// warmth finds out whether this manager could take over without reading anything first. Once it could, it stays so.
type warmth struct {
	host      client.Reader
	templates *templates.Cache
	pool      *membercluster.Pool
	// guarded says whether template namespaces are guarded; always when nil.
	guarded func(context.Context) bool
	clock   clock.PassiveClock
	warm    atomic.Bool
}

// NeedLeaderElection lets it run on stand-bys.
func (*warmth) NeedLeaderElection() bool { return false }

// Start waits until this manager is warm. The manager starts it when the host's caches have synced.
func (w *warmth) Start(ctx context.Context) error {
	begun := w.clock.Now()
	err := wait.PollUntilContextCancel(ctx, warmthInterval, true, func(ctx context.Context) (bool, error) {
		kinds, err := w.kinds(ctx)
		if err != nil || !allRead(kinds, w.templates.State) {
			return false, nil
		}
		complete := w.membersRead(ctx, kinds) && (w.guarded == nil || w.guarded(ctx))
		return complete || w.clock.Since(begun) >= patience, nil
	})
	if err != nil {
		return nil // the manager ends
	}
	w.warm.Store(true)
	log.FromContext(ctx).Info("Ready to take over", "after", w.clock.Since(begun).String())
	return nil
}

// kinds are those that are propagated.
func (w *warmth) kinds(ctx context.Context) (sets.Set[schema.GroupVersionKind], error) {
	bindings, err := hostindex.AllBindings(ctx, w.host)
	if err != nil {
		return nil, err
	}
	kinds := sets.New[schema.GroupVersionKind]()
	for _, binding := range bindings {
		kinds.Insert(binding.BindingSpec().Resource.GroupVersionKind())
	}
	return kinds, nil
}

// allRead says whether all kinds have been read that can be.
func allRead(kinds sets.Set[schema.GroupVersionKind], state func(schema.GroupVersionKind) objectcache.State) bool {
	for gvk := range kinds {
		if s := state(gvk); !s.Watched || (!s.Synced && s.Err == nil) {
			return false
		}
	}
	return true
}

// membersRead says whether it is known what every member holds.
func (w *warmth) membersRead(ctx context.Context, kinds sets.Set[schema.GroupVersionKind]) bool {
	var clusters v1alpha1.ClusterList
	if err := w.host.List(ctx, &clusters, client.UnsafeDisableDeepCopy); err != nil {
		return false
	}
	for i := range clusters.Items {
		if clusters.Items[i].Spec.ID == "" || clusters.Items[i].Spec.SyncMode == v1alpha1.Pull {
			continue // nothing is there yet, or not for this manager to connect
		}
		member, connected := w.pool.Member(clusters.Items[i].Name)
		if !connected || !allRead(kinds, member.Objects.State) {
			return false
		}
	}
	return true
}

// check is the probe "warm".
func (w *warmth) check(*http.Request) error {
	if !w.warm.Load() {
		return errors.New("the caches of the host and of members are being filled, or the admission policies are not in force yet")
	}
	return nil
}

// leading is the probe "leading". It answers only who asks for it by name: a stand-by is as ready as a leader, and a rolling
// update must not wait for leadership. A manager that was elected leads while it may change something.
func leading(elected <-chan struct{}, guard *fence.Fence) healthz.Checker {
	return func(r *http.Request) error {
		if strings.Trim(r.URL.Path, "/") != leadingProbe {
			return nil
		}
		select {
		case <-elected:
			if guard == nil || guard.Open() {
				return nil
			}
			return fence.ErrClosed
		default:
			return errors.New("another manager leads")
		}
	}
}

// addProbes adds what /healthz and /readyz ask, and lets stand-bys read what they need to take over.
func addProbes(ctx context.Context, mgr ctrl.Manager, p parts, guarded func(context.Context) bool) error {
	for _, kind := range warmKinds() {
		if _, err := mgr.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	w := &warmth{host: mgr.GetClient(), templates: p.templates, pool: p.pool, guarded: guarded, clock: clock.RealClock{}}
	if err := mgr.Add(w); err != nil {
		return fmt.Errorf("adding the probe %s: %w", warmProbe, err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the liveness probe: %w", err)
	}
	for name, probe := range map[string]healthz.Checker{warmProbe: w.check, leadingProbe: leading(mgr.Elected(), p.guard)} {
		if err := mgr.AddReadyzCheck(name, probe); err != nil {
			return fmt.Errorf("adding the probe %s: %w", name, err)
		}
	}
	return nil
}
