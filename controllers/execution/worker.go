package execution

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/recent"
)

// Failed requests to a member are repeated after 100 ms, then after twice as long each time, but at least
// every 15 s: a member that comes back is served soon.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// worker makes one member hold what bindings decided.
type worker struct {
	*dispatcher
	feed
	ctx    context.Context // the connection's life
	member *membercluster.Member
	drifts *drifts
	clock  clock.PassiveClock

	refusals  *refusals
	leftovers *leftovers
}

func newWorker(ctx context.Context, d *dispatcher, member *membercluster.Member) *worker {
	w := &worker{
		dispatcher: d, feed: feed{latest: recent.NewLog[types.NamespacedName](clock.RealClock{}, d.Unserved)},
		ctx: ctx, member: member, clock: clock.RealClock{}, drifts: newDrifts(clock.RealClock{}), refusals: newRefusals(clock.RealClock{}),
	}
	w.leftovers = newLeftovers(w.tellLeftovers)
	return w
}

// run works on the member's bindings until ctx ends, beginning with all that concern it.
func (w *worker) run(ctx context.Context) error {
	o := controller.TypedOptions[types.NamespacedName]{
		Reconciler:              w,
		MaxConcurrentReconciles: w.WorkersPerMember,
		SkipNameValidation:      ptr.To(true), // the workers of all members count as one controller
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](firstRetry, lastRetry),
		Logger:                  w.mgr.GetLogger().WithValues("cluster", w.member.Name),
		UsePriorityQueue:        ptr.To(true),
	}
	o.DefaultFromConfig(w.mgr.GetControllerOptions())
	c, err := controller.NewTypedUnmanaged("execution", o)
	if err != nil {
		return fmt.Errorf("making the workers of %s: %w", w.member.Name, err)
	}
	if err := c.Watch(source.TypedFunc[types.NamespacedName](w.begin)); err != nil {
		return fmt.Errorf("feeding the workers of %s: %w", w.member.Name, err)
	}
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("running the workers of %s: %w", w.member.Name, err)
	}
	return nil
}

// begin fills the queue with every binding that concerns the member, and with those that objects in the member name: the watches
// of a stand-by have told of them while there was no queue, and their bindings may be gone.
func (w *worker) begin(ctx context.Context, queue workqueue.TypedRateLimitingInterface[types.NamespacedName]) error {
	if err := w.feed.begin(ctx, queue); err != nil {
		return err
	}
	w.Board.PostUnlooked(w.member.Name, nil)
	w.tellLeftovers() // what a manager before said may be over
	for _, e := range w.member.Objects.Held() {
		w.objectChanged(e)
	}
	return w.enqueueAll(ctx)
}

// enqueueLeftovers looks again at what is left over, because something may let it go now.
func (w *worker) enqueueLeftovers() { w.enqueue(userPriority, w.leftovers.bindings()...) }

// enqueueAll looks again at every binding that concerns the member.
func (w *worker) enqueueAll(ctx context.Context) error {
	bindings, err := hostindex.AllBindings(ctx, w.host)
	if err != nil {
		return err
	}
	for _, binding := range bindings {
		w.member.Objects.Watch(binding.BindingSpec().Resource.GroupVersionKind())
		if mentioned(binding).Has(w.member.Name) {
			w.enqueue(handler.LowPriority, client.ObjectKeyFromObject(binding))
		}
	}
	return nil
}

// objectChanged looks again at the binding that an object's mark names, and at the one that its name belongs to:
// somebody may have changed the mark.
func (w *worker) objectChanged(e objectcache.Event) {
	observed, ok := e.Object.(*membercluster.Observed)
	if !ok {
		return
	}
	named := types.NamespacedName{Namespace: observed.Namespace, Name: v1alpha1.BindingName(e.GVK.Group, e.GVK.Kind, observed.Name)}
	w.enqueue(priority(e.Initial), named)
	if marked, ok := parseBinding(observed.Live.Binding); ok && observed.Live.Ours && marked != named {
		w.enqueue(priority(e.Initial), marked)
	}
}

// enqueueKind looks again at every binding of a kind whose watch in the member synced or failed.
func (w *worker) enqueueKind(ctx context.Context, gvk schema.GroupVersionKind) {
	bindings, err := hostindex.Bindings(ctx, w.host, hostindex.ByKind, hostindex.KindValue(gvk))
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot look up the bindings of a kind", "kind", gvk)
		return
	}
	for _, binding := range bindings {
		if mentioned(binding).Has(w.member.Name) {
			w.enqueue(handler.LowPriority, client.ObjectKeyFromObject(binding))
		}
	}
}

// Reconcile makes the member hold what one binding decided. No binding at all stands for what is left over.
func (w *worker) Reconcile(ctx context.Context, key types.NamespacedName) (reconcile.Result, error) {
	if key == leftoversKey {
		return w.reportLeftovers(ctx)
	}
	w.leftovers.first.Begin(key)
	binding, err := hostindex.Binding(ctx, w.host, key)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("reading binding %s: %w", key, err)
	}
	if err != nil {
		return w.remove(ctx, key, nil)
	}
	if names(binding, w.member.Name) && binding.GetDeletionTimestamp() == nil {
		w.leftovers.note(key, nil)
		return w.hearAndKeep(ctx, binding)
	}
	return w.remove(ctx, key, binding)
}
