package execution

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/specchange"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings/finalizers;clusterresourcebindings/finalizers,verbs=update
// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters,verbs=get;list;watch

// userPriority is the queue priority of changes that somebody made just now; handler.LowPriority is that of
// what merely has to be looked at again, as after a restart.
const userPriority = 0

// Options is what execution needs.
type Options struct {
	// HostUID is the UID of the host's kube-system namespace; it marks what this host owns in members.
	HostUID string
	// Pool holds the connections to the members.
	Pool *membercluster.Pool
	// Templates holds the templates.
	Templates *templates.Cache
	// Board takes what members say.
	Board *report.Board
	// Interpreter knows the kinds.
	Interpreter *interpreter.Interpreter
	// Journeys times what arrives; nothing is timed when nil.
	Journeys *telemetry.Journeys
	// Memory is what the host remembers of its own past; nil believes that it remembers all.
	Memory Memory
	// WorkersPerMember is how many objects of one member are worked on at the same time.
	WorkersPerMember int
	// Unserved is for how long changes may have gone unserved when this manager takes over. They are served first.
	Unserved time.Duration
}

// dispatcher hands bindings to the workers of the members that they concern.
type dispatcher struct {
	Options
	mgr  ctrl.Manager
	host client.Client

	overrides   *overrides
	named       *named
	definitions definitions

	mu      sync.RWMutex
	leading context.Context // set while this manager leads: the life of all workers
	workers map[string]*worker
	running sync.WaitGroup
}

// Setup adds execution to a manager that runs until ctx ends. Call it before the pool and the templates start.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	d := &dispatcher{
		Options: o, mgr: mgr, host: mgr.GetClient(), workers: map[string]*worker{}, overrides: newOverrides(mgr.GetClient()), named: newNamed(),
		definitions: definitions{mgr.GetAPIReader()},
	}
	d.showState()
	o.Pool.OnConnect(d.engage)
	o.Board.OnDoubt(d.doubted)
	o.Templates.OnEvent(func(e objectcache.Event) { d.templateChanged(ctx, e) })
	o.Templates.OnStateChange(func(gvk schema.GroupVersionKind) { d.templatesSynced(ctx, gvk) })
	for _, twin := range []client.Object{&v1alpha1.ResourceBinding{}, &v1alpha1.ClusterResourceBinding{}} {
		if err := d.listen(ctx, mgr, twin); err != nil {
			return err
		}
	}
	if err := d.listenToOverrides(ctx, mgr); err != nil {
		return err
	}
	if err := d.listenToClusters(ctx, mgr); err != nil {
		return err
	}
	if err := mgr.Add(d); err != nil {
		return fmt.Errorf("adding the workers: %w", err)
	}
	return setupCleanup(mgr, o.Board)
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: only the leader writes to members.
func (d *dispatcher) NeedLeaderElection() bool { return true }

// Start lets the workers of all members work until ctx ends, then waits for them to stop.
func (d *dispatcher) Start(ctx context.Context) error {
	d.mu.Lock()
	d.leading = ctx
	for _, w := range d.workers {
		d.launch(w)
	}
	d.mu.Unlock()
	<-ctx.Done()
	d.mu.Lock()
	d.leading = nil // nobody is launched any more
	d.mu.Unlock()
	d.running.Wait()
	return nil
}

// launch lets the workers of a member work while it is connected and this manager leads; the caller holds the lock.
func (d *dispatcher) launch(w *worker) {
	if d.leading == nil || d.leading.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(w.ctx)
	stop := context.AfterFunc(d.leading, cancel)
	d.running.Go(func() {
		defer cancel()
		defer stop()
		if err := w.run(ctx); err != nil {
			log.FromContext(ctx).Error(err, "Workers of a member stopped", "cluster", w.member.Name)
		}
	})
}

// listen hands every change of a binding on. The workers of a manager that does not lead only take note of it.
func (d *dispatcher) listen(ctx context.Context, mgr ctrl.Manager, twin client.Object) error {
	informer, err := mgr.GetCache().GetInformer(ctx, twin)
	if err != nil {
		return fmt.Errorf("watching %T: %w", twin, err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(obj any, initial bool) { d.bindingChanged(obj, priority(initial)) },
		UpdateFunc: d.bindingUpdated,
		DeleteFunc: func(obj any) {
			if last, gone := obj.(toolscache.DeletedFinalStateUnknown); gone {
				obj = last.Obj
			}
			d.bindingChanged(obj, userPriority)
			if binding, ok := obj.(v1alpha1.Binding); ok {
				d.named.drop(client.ObjectKeyFromObject(binding))
			}
		},
	})
	if err != nil {
		return fmt.Errorf("listening to %T: %w", twin, err)
	}
	return nil
}

func priority(initial bool) int {
	if initial {
		return handler.LowPriority
	}
	return userPriority
}

// bindingUpdated passes on changes of what execution depends on; a status that aggregation wrote is not one.
func (d *dispatcher) bindingUpdated(old, obj any) {
	before, ok := old.(v1alpha1.Binding)
	if !ok {
		return
	}
	after, ok := obj.(v1alpha1.Binding)
	if !ok {
		return
	}
	if !matters(before, after) {
		return
	}
	d.fanOut(before, userPriority) // members that are no longer named are concerned, too
	d.fanOut(after, userPriority)
}

func matters(before, after v1alpha1.Binding) bool {
	return specchange.Between(before, after) || described(before) != described(after)
}

// described says whether a binding has the rules for its template. One that was made for others that require the template has
// none until propagation has looked at it, and made the template its owner: a policy may want overrides for it first.
func described(binding v1alpha1.Binding) bool {
	return !binding.BindingSpec().Attached() || len(binding.GetOwnerReferences()) > 0
}

func (d *dispatcher) bindingChanged(obj any, priority int) {
	if binding, ok := obj.(v1alpha1.Binding); ok {
		d.fanOut(binding, priority)
	}
}

// templateChanged hands the template's binding on at once: a change that leaves the binding as it is, such
// as a new image, needs no write on the host before it reaches the members.
func (d *dispatcher) templateChanged(ctx context.Context, e objectcache.Event) {
	if e.Deleted {
		return // the binding will tell
	}
	key := types.NamespacedName{
		Namespace: e.Object.GetNamespace(),
		Name:      v1alpha1.BindingName(e.GVK.Group, e.GVK.Kind, e.Object.GetName()),
	}
	binding, err := hostindex.Binding(ctx, d.host, key)
	if err != nil {
		return // not propagated, or not yet: the binding will tell
	}
	d.fanOut(binding, priority(e.Initial))
}

// templatesSynced hands on every binding of a kind whose templates can be read from now on: what was looked at
// before could not be decided.
func (d *dispatcher) templatesSynced(ctx context.Context, gvk schema.GroupVersionKind) {
	if !d.Templates.State(gvk).Synced {
		return
	}
	bindings, err := hostindex.Bindings(ctx, d.host, hostindex.ByKind, hostindex.KindValue(gvk))
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot look up the bindings of a kind", "kind", gvk)
		return
	}
	for _, binding := range bindings {
		d.fanOut(binding, handler.LowPriority)
	}
}

// fanOut hands a binding to every member that it concerns: those that it names, and those that are known to
// hold, or to have held, something because of it. Every connected member watches the kind, so that an
// object left behind anywhere is seen.
func (d *dispatcher) fanOut(binding v1alpha1.Binding, priority int) {
	key := client.ObjectKeyFromObject(binding)
	concerned := d.concerned(key, binding)
	gvk := binding.BindingSpec().Resource.GroupVersionKind()
	d.mu.RLock()
	defer d.mu.RUnlock()
	for name, w := range d.workers {
		w.member.Objects.Watch(gvk)
		if concerned.Has(name) {
			w.enqueue(priority, key)
		}
	}
}

func (d *dispatcher) concerned(key types.NamespacedName, binding v1alpha1.Binding) sets.Set[string] {
	names := mentioned(binding)
	for cluster, r := range d.Board.Reports(key) {
		if !r.Gone {
			names.Insert(cluster)
		}
	}
	return names
}

// mentioned are the clusters that a binding names, or that its status still speaks of.
func mentioned(binding v1alpha1.Binding) sets.Set[string] {
	names := sets.New[string]()
	for _, target := range binding.BindingSpec().Targets() {
		names.Insert(target.Name)
	}
	for _, item := range binding.BindingStatus().AggregatedStatus {
		names.Insert(item.ClusterName)
	}
	return names
}

// engage makes the workers of a member that was connected; they end with ctx. On a stand-by they only watch, until it leads.
func (d *dispatcher) engage(ctx context.Context, member *membercluster.Member) {
	w := newWorker(ctx, d, member)
	member.Objects.OnEvent(w.objectChanged)
	member.Objects.OnStateChange(func(gvk schema.GroupVersionKind) { w.stateChanged(ctx, gvk) })
	d.mu.Lock()
	d.workers[member.Name] = w
	d.launch(w)
	d.mu.Unlock()
	context.AfterFunc(ctx, func() { d.disengage(member.Name, w) })
	go func() {
		if err := w.enqueueAll(ctx); err != nil {
			log.FromContext(ctx).Error(err, "Cannot look up what a member holds", "cluster", member.Name)
		}
	}()
}

func (d *dispatcher) disengage(name string, w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.workers[name] == w { // a new connection may have taken its place
		delete(d.workers, name)
	}
}
