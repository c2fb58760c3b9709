package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// removalPoll is how soon a removal that goes on is looked at again. Removals are rare, and a person waits.
const removalPoll = time.Second

// remove lets a Cluster go when the member holds nothing of Flotilla any more:
//
//	bindings let go of it (scheduling, execution) → what the host has forgotten (execution) → our rights in the member →
//	connection → execution namespace → finalizer
func (r *Reconciler) remove(ctx context.Context, cluster *v1alpha1.Cluster) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(cluster, v1alpha1.ClusterFinalizer) {
		return ctrl.Result{}, nil
	}
	namespace, err := r.executionNamespace(ctx, cluster.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	if namespace != nil && !namespace.DeletionTimestamp.IsZero() {
		// The namespace goes only after the member is done with, so that part is behind us.
		return r.finish(ctx, cluster, namespace)
	}
	facts, config, err := r.gather(ctx, cluster)
	if err != nil {
		return ctrl.Result{}, err
	}
	facts.namespace = namespace != nil
	next := planRemoval(facts)
	if next.clean {
		if err := r.clean(ctx, config); err != nil {
			facts.cleaning = err
			next = planRemoval(facts)
		}
	}
	if next.wait != "" {
		return ctrl.Result{RequeueAfter: r.patience(facts)}, r.reportRemoval(ctx, cluster, next.wait)
	}
	if next.leftBehind != "" {
		r.event(cluster, corev1.EventTypeWarning, reasonLeftBehind, actionRemove,
			next.leftBehind+"; in the member may stay "+memberaccess.Leftovers(r.options.HostUID))
	}
	return r.finish(ctx, cluster, namespace)
}

// patience is how soon a removal that waits is looked at again.
func (r *Reconciler) patience(f removalFacts) time.Duration {
	if f.fault == nil {
		return removalPoll
	}
	return min(r.options.Timings.ProbeInterval, 5*removalPoll)
}

// gather finds out what a removal depends on, and keeps the member connected for execution to clean it.
func (r *Reconciler) gather(ctx context.Context, cluster *v1alpha1.Cluster) (removalFacts, *rest.Config, error) {
	facts := removalFacts{
		force:     cluster.Annotations[v1alpha1.ForceDeleteAnnotation] == "true",
		leftovers: report.Leftovers{Looked: true},
		connected: cluster.Status.KubernetesVersion != "",
		identity:  cluster.Spec.ID,
	}
	if ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		facts.begun = ready.Reason == v1alpha1.ReasonRemoving
	}
	bindings, err := hostindex.Bindings(ctx, r.client, hostindex.ByCluster, cluster.Name)
	if err != nil {
		return facts, nil, err
	}
	facts.bindings = len(bindings)
	if len(bindings) > 0 {
		facts.example = client.ObjectKeyFromObject(bindings[0]).String()
	}
	config, err := r.meet(ctx, cluster)
	if err != nil && !errors.As(err, &facts.fault) {
		return facts, nil, err
	}
	if r.options.Leftovers != nil {
		facts.leftovers = r.options.Leftovers(cluster)
	}
	return facts, config, nil
}

// meet connects to a member that is leaving, when it still is the one that joined.
func (r *Reconciler) meet(ctx context.Context, cluster *v1alpha1.Cluster) (*rest.Config, error) {
	config, secret, err := r.grantedCredentials(ctx, cluster)
	if err != nil {
		return nil, err
	}
	visit, err := memberprobe.Open(config)
	if err != nil {
		return nil, err
	}
	defer visit.Close()
	identity, err := r.probe(ctx, visit)
	if err != nil {
		return nil, err
	}
	var clusters v1alpha1.ClusterList
	if err := r.client.List(ctx, &clusters); err != nil {
		return nil, fmt.Errorf("listing Clusters: %w", err)
	}
	if err := refusal(cluster, clusters.Items, identity.ID, r.options.HostUID); err != nil {
		return nil, err
	}
	r.renew(ctx, cluster, config, secret)
	return config, r.options.Connections.Connect(cluster.Name, r.connection(cluster, config))
}

// clean takes Flotilla's rights out of the member. It is the last thing that is done there.
func (r *Reconciler) clean(ctx context.Context, config *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timings.CollectTimeout)
	defer cancel()
	member, err := client.New(config, client.Options{Scheme: r.client.Scheme()})
	if err != nil {
		return fmt.Errorf("preparing a client: %w", err)
	}
	return memberaccess.Remove(ctx, member, r.options.HostUID)
}

// finish removes what the host holds of a member. The Cluster goes after its namespace, so that whoever
// joins a cluster under the same name next does not find the old one half deleted.
func (r *Reconciler) finish(ctx context.Context, cluster *v1alpha1.Cluster, namespace *corev1.Namespace) (ctrl.Result, error) {
	r.options.Connections.Disconnect(cluster.Name)
	if namespace != nil {
		if namespace.DeletionTimestamp.IsZero() {
			err := r.client.Delete(ctx, namespace, client.Preconditions{UID: &namespace.UID})
			if client.IgnoreNotFound(err) != nil {
				return ctrl.Result{}, fmt.Errorf("deleting the execution namespace of Cluster %s: %w", cluster.Name, err)
			}
		}
		return ctrl.Result{RequeueAfter: removalPoll}, r.reportRemoval(ctx, cluster, "waits until its namespace "+namespace.Name+" on the host is gone")
	}
	before := cluster.DeepCopy()
	controllerutil.RemoveFinalizer(cluster, v1alpha1.ClusterFinalizer)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, cluster, patch, client.FieldOwner(objectpatch.ClusterOwner)); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("taking the finalizer off Cluster %s: %w", cluster.Name, err)
	}
	return ctrl.Result{}, nil
}

// reportRemoval says in the condition Ready what a removal waits for.
func (r *Reconciler) reportRemoval(ctx context.Context, cluster *v1alpha1.Cluster, message string) error {
	status := *cluster.Status.DeepCopy()
	ready := condition(v1alpha1.ConditionReady, cluster.Generation, r.options.Clock.Now())
	ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonRemoving, message
	set(&status, conditions.Timed(status.Conditions, ready))
	status.ObservedGeneration = cluster.Generation
	return r.report(ctx, cluster, status)
}
