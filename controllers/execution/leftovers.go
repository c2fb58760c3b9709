package execution

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/firstlook"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=clusters/status,verbs=get;patch;update

const (
	// newerMessage and leftoverMessage are what bindings say of objects that the host has forgotten.
	newerMessage = "the host was restored from a backup, and the member's object was written after that; it stays as it is until the template " +
		"is changed, or is again what the member holds; docs/high-availability.md says how to go on"
	leftoverMessage = "the host was restored from a backup, and an object was written here after that; it is not wanted now, and stays until " +
		"somebody decides; docs/high-availability.md says how to go on"
	// leftoversPause is how long what changes is collected before it is told.
	leftoversPause = time.Second
	// leftoversNamed is how many objects are named.
	leftoversNamed = 10
)

// leftoversKey stands for all leftovers of a member in the queue of its bindings; no binding has it.
var leftoversKey = types.NamespacedName{}

// leftoversPriority is that of telling what is left over: it comes after everything that waits to be looked at.
const leftoversPriority = handler.LowPriority - 1

// leftovers are the objects of a member that the host has forgotten, and does not want: nobody deletes them.
type leftovers struct {
	// changed is called when what stays has changed, and when everything has been looked at.
	changed func()
	first   firstlook.Look

	mu   sync.Mutex
	kept map[types.NamespacedName][]string
}

func newLeftovers(changed func()) *leftovers {
	return &leftovers{changed: changed, kept: map[types.NamespacedName][]string{}}
}

// note remembers what stays because of a binding that does not want it. So it has been looked at.
func (l *leftovers) note(binding types.NamespacedName, objects []*membercluster.Observed) {
	changed := l.put(binding, objects)
	if last := l.first.Done(binding); last || changed {
		l.changed()
	}
}

func (l *leftovers) put(binding types.NamespacedName, objects []*membercluster.Observed) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.Kind.Kind + " " + strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")
	}
	if slices.Equal(names, l.kept[binding]) {
		return false
	}
	l.kept[binding] = names
	if len(names) == 0 {
		delete(l.kept, binding)
	}
	return true
}

// all are the names of what stays, in order.
func (l *leftovers) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for _, of := range l.kept {
		names = append(names, of...)
	}
	slices.Sort(names)
	return names
}

// bindings are those because of which something stays.
func (l *leftovers) bindings() []types.NamespacedName {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.kept))
}

// tellLeftovers tells the board what is left over, and lets the worker report it to users after a moment, and after all that waits to be
// looked at.
func (w *worker) tellLeftovers() {
	if w.leftovers.first.WasOver() {
		w.Board.PostLeftovers(w.member.Name, w.leftovers.all())
	}
	w.queueLeftovers()
}

// stateChanged looks again at what waits for the watch of a kind.
func (w *worker) stateChanged(ctx context.Context, gvk schema.GroupVersionKind) {
	w.enqueueKind(ctx, gvk)
	if !w.leftovers.first.WasOver() {
		w.queueLeftovers()
	}
}

func (w *worker) queueLeftovers() {
	if queue := w.queue.Load(); queue != nil {
		priority := leftoversPriority
		(*queue).AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: leftoversPause}, leftoversKey)
	}
}

// reportLeftovers writes the condition Remembered of the member's Cluster; it has none while nothing is left over. What a manager before
// said stays until everything has been looked at; until then it tells the board what is missing, and ends: who looks at that leads back here.
func (w *worker) reportLeftovers(ctx context.Context) (reconcile.Result, error) {
	kinds := untold(w.member.Objects)
	over, again := w.leftovers.first.IsOver(len(kinds) == 0)
	if !over {
		w.Board.PostUnlooked(w.member.Name, append(kinds, w.leftovers.first.Failing()...))
		result := reconcile.Result{}
		if again {
			result.RequeueAfter = leftoversPause
		}
		return result, nil
	}
	names := w.leftovers.all()
	w.Board.PostLeftovers(w.member.Name, names)
	cluster := &v1alpha1.Cluster{}
	if err := w.host.Get(ctx, client.ObjectKey{Name: w.member.Name}, cluster); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionRemembered)
	want := remembered(before, names, cluster.Generation)
	if apiequality.Semantic.DeepEqual(before, want) {
		return reconcile.Result{}, nil
	}
	status := v1alpha1.ClusterStatus{}
	if want != nil {
		status.Conditions = []metav1.Condition{*want}
	}
	return reconcile.Result{}, objectpatch.ApplyStatus(ctx, w.host, cluster, objectpatch.ExecutionOwner, &status)
}

// remembered is the condition for what is left over; nil for nothing.
func remembered(before *metav1.Condition, names []string, generation int64) *metav1.Condition {
	if len(names) == 0 {
		return nil
	}
	shown := names[:min(len(names), leftoversNamed)]
	all := []metav1.Condition{}
	if before != nil {
		all = append(all, *before)
	}
	meta.SetStatusCondition(&all, metav1.Condition{
		Type: v1alpha1.ConditionRemembered, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnremembered, ObservedGeneration: generation,
		Message: conditions.Shorten(fmt.Sprintf("the host was restored from a backup; %s written here after that, and not wanted by it, stay: %s",
			conditions.Count(len(names), "object"), strings.Join(shown, ", ")), maxMessage),
	})
	return &all[0]
}

// untold are the kinds of which the watch has not told yet what the member holds, and can, in order.
func untold(c *objectcache.Cache) []string {
	var kinds []string
	for _, gvk := range c.Kinds() {
		state := c.State(gvk)
		absent := state.Unserved() || apierrors.IsForbidden(state.Err)
		if !state.Synced && !absent {
			kinds = append(kinds, gvk.GroupKind().String())
		}
	}
	slices.Sort(kinds)
	return kinds
}
