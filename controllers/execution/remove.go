package execution

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/proof"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=propagationpolicies;clusterpropagationpolicies,verbs=get

// remove makes the member hold nothing because of a binding that does not want it there, or that no longer
// exists (nil).
func (w *worker) remove(ctx context.Context, key types.NamespacedName, binding v1alpha1.Binding) (reconcile.Result, error) {
	held, err := w.held(ctx, key, binding)
	if err != nil {
		return w.refused(binding, nil, err)
	}
	gone, kept := true, []*membercluster.Observed{}
	for _, observed := range held {
		action, err := w.removeObject(ctx, key, binding, observed)
		if err != nil {
			return w.refused(binding, observed, err)
		}
		if action == applyplan.Hold {
			kept = append(kept, observed)
		}
		gone = gone && (action == applyplan.Gone || action == applyplan.Release)
	}
	w.leftovers.note(key, kept)
	if binding != nil {
		w.post(binding, removal(binding, gone, len(kept) > 0))
	}
	switch {
	case len(kept) > 0:
		return reconcile.Result{RequeueAfter: recheckForgotten}, nil
	case gone:
		w.named.forget(key, w.member.Name)
		return reconcile.Result{}, nil
	}
	// The object's disappearance leads back here; the timer is for a watch that broke and cannot tell.
	return reconcile.Result{RequeueAfter: recheckRemoving}, nil
}

// removal is the report of a member that is to hold nothing for a binding.
func removal(binding v1alpha1.Binding, gone, kept bool) report.Report {
	switch {
	case kept:
		return pending(nil, v1alpha1.ReasonUnremembered, leftoverMessage)
	case gone:
		return report.Report{Gone: true, BindingGeneration: binding.GetGeneration()}
	}
	return pending(nil, v1alpha1.ReasonRemovingOld, "the member is removing the object")
}

// held is everything in the member that is there because of the binding. What the watches do not show is
// asked of the member itself before it counts as not there.
func (w *worker) held(ctx context.Context, key types.NamespacedName, binding v1alpha1.Binding) ([]*membercluster.Observed, error) {
	held, err := w.member.OfBinding(key.String())
	if err != nil || len(held) > 0 || binding == nil {
		return held, err
	}
	resource := binding.BindingSpec().Resource
	observed, err := w.member.Read(ctx, resource.GroupVersionKind(), resource.Key())
	if meta.IsNoMatchError(err) {
		return nil, nil // a member that does not serve the kind holds none of it
	}
	if err != nil || observed == nil {
		return nil, err
	}
	return []*membercluster.Observed{observed}, nil
}

// removeObject deletes or releases one object, and tells what became of it: Gone when nothing of ours is left of it, Hold when
// it stays because the host has forgotten that it wrote it.
func (w *worker) removeObject(ctx context.Context, key types.NamespacedName, binding v1alpha1.Binding, observed *membercluster.Observed) (applyplan.Action, error) {
	// What the watch shows may be behind: an object that was released, or replaced by a foreign one, still looks ours.
	observed, err := w.fresh(ctx, observed)
	if err != nil {
		return applyplan.Wait, err
	}
	mayGo, err := w.mayGo(ctx, key, binding, observed)
	if err != nil {
		return applyplan.Wait, hostError{err}
	}
	// After the member's answer, which may have taken its time: the cluster may have been chosen again meanwhile.
	binding, going, err := w.latest(ctx, key, binding)
	if err != nil {
		return applyplan.Wait, hostError{err}
	}
	if !going && names(binding, w.member.Name) {
		return applyplan.Wait, nil
	}
	keep, err := w.keepsObjects(ctx, key, binding, going)
	if err != nil {
		return applyplan.Wait, hostError{err}
	}
	decision := applyplan.Decide(applyplan.Facts{Binding: key.String(), Keep: keep, Live: liveOf(observed), Forgotten: !mayGo})
	switch decision.Action {
	case applyplan.Release:
		err = w.member.Release(ctx, observed)
	case applyplan.Delete:
		err = w.member.Delete(ctx, observed, propagation(binding, w.member.Name))
	default:
		return decision.Action, nil
	}
	if err != nil {
		return applyplan.Wait, err
	}
	log.FromContext(ctx).V(1).Info("Removed", "kind", observed.Kind.Kind, "action", decision.Action, "reason", decision.Reason)
	w.countChange(decision)
	return decision.Action, nil
}

// propagation says how an object is deleted. One that goes before its replacement comes goes after its pods: two copies must not run at
// the same time, and the pods of a Deployment that is gone may take their whole terminationGracePeriodSeconds yet.
func propagation(binding v1alpha1.Binding, cluster string) metav1.DeletionPropagation {
	if binding != nil && slices.ContainsFunc(binding.BindingSpec().GracefulEvictionTasks, func(task v1alpha1.GracefulEvictionTask) bool {
		return task.FromCluster == cluster && task.PurgeMode == v1alpha1.PurgeDirectly
	}) {
		return metav1.DeletePropagationForeground
	}
	return metav1.DeletePropagationBackground
}

// fresh reads an object from the member itself; nil when it is gone, or its kind is.
func (w *worker) fresh(ctx context.Context, known *membercluster.Observed) (*membercluster.Observed, error) {
	observed, err := w.member.Read(ctx, known.Kind, types.NamespacedName{Namespace: known.Namespace, Name: known.Name})
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	return observed, err
}

// latest reads a binding from the host's API server, past every cache, and says whether it goes. One that is gone is as it was known last,
// nil where it was not. A member's object is deleted only when it goes, or does not name the member; anything else proves nothing.
func (w *worker) latest(ctx context.Context, key types.NamespacedName, known v1alpha1.Binding) (binding v1alpha1.Binding, going bool, err error) {
	binding, err = hostindex.Binding(ctx, w.mgr.GetAPIReader(), key)
	switch {
	case apierrors.IsNotFound(err):
		return known, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("making sure that binding %s does not want it in %s: %w", key, w.member.Name, err)
	}
	return binding, binding.GetDeletionTimestamp() != nil, nil
}

// keepsObjects says whether objects stay in the member, without marks: because the policy preserves them when the template goes, because
// the Cluster is leaving and its deletionPolicy is Keep, or because all this goes only with its definitions. The binding is what latest
// read.
func (w *worker) keepsObjects(ctx context.Context, key types.NamespacedName, binding v1alpha1.Binding, going bool) (bool, error) {
	if going && binding != nil && binding.BindingSpec().Preserves(w.member.Name) {
		return true, nil
	}
	if kept, err := w.leavesObjects(ctx); err != nil || kept || !going {
		return kept, err
	}
	if binding != nil {
		if kept, err := proof.PolicyPreserves(ctx, w.mgr.GetAPIReader(), binding); err != nil || kept {
			return kept, err
		}
	}
	return w.definitions.endBinding(ctx, key, binding)
}

// leavesObjects says whether the Cluster is leaving, and what the member holds stays there. It is read from the host's API server: what a
// cache lacks, or knew before its user said Keep, is no order to delete. A Cluster that is gone has ordered nothing either: one that left
// in order is disconnected before it goes, so somebody took its finalizer off.
func (w *worker) leavesObjects(ctx context.Context) (bool, error) {
	cluster := &v1alpha1.Cluster{}
	err := w.mgr.GetAPIReader().Get(ctx, client.ObjectKey{Name: w.member.Name}, cluster)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("making sure how Cluster %s leaves: %w", w.member.Name, err)
	case cluster.DeletionTimestamp == nil:
		return false, nil
	case cluster.Spec.DeletionPolicy == v1alpha1.KeepObjects:
		return true, nil
	}
	return w.definitions.endClusters(ctx)
}
