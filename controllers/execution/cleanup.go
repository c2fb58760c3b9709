package execution

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/proof"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// cleanup lets go of bindings that are being deleted once no member keeps an object because of them.
type cleanup struct {
	host  client.Client
	live  client.Reader // past every cache
	board *report.Board
	clock clock.PassiveClock

	waiting sync.Map // since when a binding waits for nothing but that it has told what goes along with it, by its key
}

func setupCleanup(mgr ctrl.Manager, board *report.Board) error {
	r := &cleanup{host: mgr.GetClient(), live: mgr.GetAPIReader(), board: board, clock: clock.RealClock{}}
	c, err := controller.NewTyped("execution-cleanup", mgr, controller.TypedOptions[types.NamespacedName]{
		Reconciler: r, MaxConcurrentReconciles: 8,
	})
	if err != nil {
		return fmt.Errorf("making the cleanup controller: %w", err)
	}
	feed := &feed{}
	board.OnChange(func(key types.NamespacedName) { feed.enqueue(userPriority, key) })
	if err := c.Watch(source.TypedFunc[types.NamespacedName](feed.begin)); err != nil {
		return fmt.Errorf("listening to reports: %w", err)
	}
	if err := c.Watch(source.TypedKind(mgr.GetCache(), client.Object(&v1alpha1.Cluster{}), handler.TypedFuncs[client.Object, types.NamespacedName]{DeleteFunc: r.forgetMember})); err != nil {
		return fmt.Errorf("watching clusters: %w", err)
	}
	toKey := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, obj client.Object) []types.NamespacedName {
		return []types.NamespacedName{client.ObjectKeyFromObject(obj)}
	})
	deleting := predicate.NewPredicateFuncs(func(obj client.Object) bool { return obj.GetDeletionTimestamp() != nil })
	for _, twin := range []client.Object{&v1alpha1.ResourceBinding{}, &v1alpha1.ClusterResourceBinding{}} {
		if err := c.Watch(source.TypedKind(mgr.GetCache(), twin, toKey, deleting)); err != nil {
			return fmt.Errorf("watching %T: %w", twin, err)
		}
	}
	return nil
}

// Reconcile removes the finalizer of one binding when every member has let go of its objects, and what goes along with it knows whether to
// stay.
func (r *cleanup) Reconcile(ctx context.Context, key types.NamespacedName) (reconcile.Result, error) {
	binding, err := hostindex.Binding(ctx, r.host, key)
	if apierrors.IsNotFound(err) {
		r.forget(key)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading binding %s: %w", key, err)
	}
	if binding.GetDeletionTimestamp() == nil || !controllerutil.ContainsFinalizer(binding, v1alpha1.BindingFinalizer) {
		return reconcile.Result{}, nil
	}
	clean, again, err := r.isClean(ctx, binding)
	if err != nil || !clean {
		return reconcile.Result{RequeueAfter: again}, err
	}
	if told, err := r.hasTold(ctx, binding); err != nil || !told {
		return reconcile.Result{RequeueAfter: recheckTelling}, err
	}
	before, ok := binding.DeepCopyObject().(client.Object)
	if !ok {
		return reconcile.Result{}, fmt.Errorf("copying binding %s", key)
	}
	controllerutil.RemoveFinalizer(binding, v1alpha1.BindingFinalizer)
	err = r.host.Patch(ctx, binding, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err := client.IgnoreNotFound(err); err != nil {
		return reconcile.Result{}, fmt.Errorf("removing the finalizer of binding %s: %w", key, err)
	}
	r.forget(key)
	return reconcile.Result{}, nil
}

func (r *cleanup) forget(key types.NamespacedName) {
	r.board.ForgetBinding(key)
	r.waiting.Delete(key)
}

// forgetMember drops what a member said once its Cluster is gone, and looks again at the bindings that it concerned:
// those that it reported on, and those that only their status knows of.
func (r *cleanup) forgetMember(ctx context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[types.NamespacedName]) {
	r.board.ForgetMember(e.Object.GetName())
	bindings, err := hostindex.Bindings(ctx, r.host, hostindex.ByCluster, e.Object.GetName())
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot look up the bindings of a member that left", "cluster", e.Object.GetName())
		return
	}
	for _, binding := range bindings {
		queue.Add(client.ObjectKeyFromObject(binding))
	}
}

// isClean says whether every member that the binding concerns has been asked, since the binding is being deleted, and holds nothing because
// of it. A member whose Cluster is gone has left. Where again is zero, what a member says or the end of its Cluster leads back here.
func (r *cleanup) isClean(ctx context.Context, binding v1alpha1.Binding) (clean bool, again time.Duration, err error) {
	reports := r.board.Reports(client.ObjectKeyFromObject(binding))
	concerned := mentioned(binding)
	for cluster, said := range reports {
		if !said.Gone {
			concerned.Insert(cluster)
		}
	}
	for cluster := range concerned {
		if reports[cluster].Cleared(binding) {
			continue
		}
		if left, again, err := r.hasLeft(ctx, cluster); err != nil || !left {
			return false, again, err
		}
	}
	return true, 0, nil
}

// hasLeft says whether a member's Cluster is gone. A cache that lacks it proves nothing: it may be one that joined while its watch was away,
// and may go without the watch telling.
func (r *cleanup) hasLeft(ctx context.Context, name string) (left bool, again time.Duration, err error) {
	cluster, shown, err := proof.Cluster(ctx, r.host, r.live, name)
	if err != nil || cluster == nil {
		return err == nil, 0, err
	}
	if !shown {
		again = recheckRemoving
	}
	return false, again, nil
}
