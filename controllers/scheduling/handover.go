package scheduling

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/handover"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

const (
	// defaultGrace is how long a replacement is waited for; the peer's default.
	defaultGrace = 10 * time.Minute
	// proofTimeout bounds asking a member what is ready, and proofRetry is when members are asked again that said
	// otherwise than their reports.
	proofTimeout = 2 * time.Second
	proofRetry   = 2 * time.Second
)

// verdict is a decision, and what is written of it now.
type verdict struct {
	schedule.Decision
	plan handover.Plan
}

// handOver makes the plan of a decision.
func (r *Reconciler) handOver(binding v1alpha1.Binding, d schedule.Decision, clusters []*v1alpha1.Cluster, known evidence) verdict {
	facts := r.movingFacts(binding, clusters)
	facts.Decided, facts.Pending, facts.Fresh = d.Clusters, d.Pending, known.fresh
	facts.Reason, facts.Voluntary = d.Trigger, voluntary(d.Trigger, &facts)
	v := verdict{Decision: d, plan: handover.Make(facts)}
	v.Clusters, v.Pending = v.plan.Clusters, d.Pending+v.plan.Withheld
	if v.plan.Deferred { // what led to the decision has to lead to it again
		v.Memory = memoryOf(binding)
	}
	v.Memory.Pending = v.Pending
	if v.plan.Withheld > 0 && v.Scheduled() {
		v.Reason, v.Message = v.plan.Reason, v.plan.Message
	}
	switch after := v.plan.RetryAfter; {
	case known.fresh != nil && len(v.plan.Retained) > 0 || v.plan.Deferred:
		v.plan.RetryAfter = proofRetry
	case len(known.unseen) > 0 && (after == 0 || after > unseenRetry):
		v.plan.RetryAfter = unseenRetry
	}
	return v
}

// stay is the plan of a binding about which nothing is decided.
func stay(binding v1alpha1.Binding, d schedule.Decision) verdict {
	spec := binding.BindingSpec()
	plan := handover.Plan{Clusters: d.Clusters, Retained: spec.Retained, Reason: v1alpha1.ReasonMoved}
	if before := meta.FindStatusCondition(binding.BindingStatus().Conditions, v1alpha1.ConditionMoving); before != nil {
		plan.Reason, plan.Message = before.Reason, before.Message
	}
	return verdict{Decision: d, plan: plan}
}

// movingFacts are about the clusters that a move can concern, which for most bindings are few: all that may be left.
func (r *Reconciler) movingFacts(binding v1alpha1.Binding, clusters []*v1alpha1.Cluster) handover.Facts {
	facts := handover.Facts{
		Spec: binding.BindingSpec(), Reports: binding.BindingStatus().AggregatedStatus, Grace: r.grace, Graceful: r.graceful,
		Now: r.clock.Now(), Members: map[string]handover.Member{},
	}
	for _, cluster := range clusters {
		if !mayBeLeft(facts.Spec, cluster.Name) {
			continue
		}
		facts.Members[cluster.Name] = handover.Member{
			Ready: meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionReady),
			Abandoned: cluster.DeletionTimestamp != nil &&
				(cluster.Spec.DeletionPolicy == v1alpha1.KeepObjects || cluster.Annotations[v1alpha1.ForceDeleteAnnotation] == "true"),
		}
	}
	return facts
}

// mayBeLeft says whether a template is in a cluster, is kept there, or was asked to leave it.
func mayBeLeft(spec *v1alpha1.BindingSpec, cluster string) bool {
	return spec.Decides(cluster) || spec.Retains(cluster) ||
		slices.ContainsFunc(spec.GracefulEvictionTasks, func(t v1alpha1.GracefulEvictionTask) bool { return t.FromCluster == cluster })
}

// voluntary says whether nothing forces what a decision changes.
func voluntary(trigger string, facts *handover.Facts) bool {
	switch trigger {
	case schedule.TriggerRequest, schedule.TriggerPlacement, schedule.TriggerRequirements, schedule.TriggerClusterUnfit,
		schedule.TriggerLimit, schedule.TriggerFailback, schedule.TriggerEviction:
		return !forced(facts)
	}
	return false
}

// forced says whether a cluster that has the template is gone, or is to be left for another cause than a drain. Triggers do not
// tell: an edit that a budget puts off is the trigger until it is made, whatever happens meanwhile.
func forced(facts *handover.Facts) bool {
	spec := facts.Spec
	gone := func(target v1alpha1.TargetCluster) bool {
		_, exists := facts.Members[target.Name]
		return !exists
	}
	return slices.ContainsFunc(spec.Clusters, gone) || slices.ContainsFunc(spec.GracefulEvictionTasks, func(t v1alpha1.GracefulEvictionTask) bool {
		return t.Reason != v1alpha1.ReasonDrained && spec.Decides(t.FromCluster)
	})
}

// prove asks the members what is ready there, if by their reports a cluster could let go. Letting go deletes, and a report may
// be old. It is nil when there is nothing to ask.
func (r *Reconciler) prove(ctx context.Context, binding v1alpha1.Binding, unseen []*v1alpha1.Cluster) (map[string]int32, error) {
	spec := binding.BindingSpec()
	if len(spec.Retained) == 0 {
		return nil, nil
	}
	clusters, err := r.clusters(ctx, unseen)
	if err != nil || !handover.Ripe(r.movingFacts(binding, clusters)) {
		return nil, err
	}
	return r.ask(ctx, binding, clusters), nil
}

// ask asks the members that have a template, or retain it, how much of it is ready there, all at the same time. One that is
// not Ready, or does not answer, proves nothing.
func (r *Reconciler) ask(ctx context.Context, binding v1alpha1.Binding, clusters []*v1alpha1.Cluster) map[string]int32 {
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	key, spec := client.ObjectKeyFromObject(binding), binding.BindingSpec()
	var mu sync.Mutex
	fresh := map[string]int32{}
	var asking errgroup.Group
	for _, cluster := range clusters {
		if !spec.HasTarget(cluster.Name) || !meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionReady) {
			continue
		}
		asking.Go(func() error {
			ready, found, err := r.members.Ready(ctx, cluster.Name, spec.Resource.GroupVersionKind(), spec.Resource.Key(), key)
			if err != nil {
				log.FromContext(ctx).V(1).Info("Cannot ask a member what is ready", "cluster", cluster.Name, "reason", err.Error())
				return nil
			}
			if !found {
				ready = handover.Absent
			}
			mu.Lock()
			defer mu.Unlock()
			fresh[cluster.Name] = ready
			return nil
		})
	}
	_ = asking.Wait()
	return fresh
}

// progressed says whether members said something about a move that is under way.
func progressed(old, now v1alpha1.Binding) bool {
	spec := now.BindingSpec()
	if len(spec.Retained)+len(spec.GracefulEvictionTasks) == 0 && spec.Disruption == nil {
		return false
	}
	return !equality.Semantic.DeepEqual(old.BindingStatus().AggregatedStatus, now.BindingStatus().AggregatedStatus)
}

// clusters are all that exist, with those that the cache may not show. They are the cache's own.
func (r *Reconciler) clusters(ctx context.Context, unseen []*v1alpha1.Cluster) ([]*v1alpha1.Cluster, error) {
	var list v1alpha1.ClusterList
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	clusters := make([]*v1alpha1.Cluster, 0, len(list.Items)+len(unseen))
	for i := range list.Items {
		clusters = append(clusters, &list.Items[i])
	}
	for _, cluster := range unseen {
		if !slices.ContainsFunc(clusters, func(c *v1alpha1.Cluster) bool { return c.Name == cluster.Name }) {
			clusters = append(clusters, cluster)
		}
	}
	return clusters, nil
}

// wakeMoving looks at the bindings that are being moved away from a cluster, or to it.
func (r *Reconciler) wakeMoving(ctx context.Context, q queue, cluster string) {
	bindings, err := hostindex.Bindings(ctx, r.client, hostindex.ByCluster, cluster)
	if err != nil { // the cache is closing
		log.FromContext(ctx).Error(err, "Cannot look at what is being moved", "cluster", cluster)
		return
	}
	for _, binding := range bindings {
		if spec := binding.BindingSpec(); len(spec.Retained)+len(spec.GracefulEvictionTasks) > 0 {
			r.enqueue(q, client.ObjectKeyFromObject(binding), priorityOf(binding), byUser, 0)
		}
	}
}

// Prover tells what is ready in members; membercluster.Pool does.
type Prover interface {
	// Ready asks a member how many replicas of a binding's object are ready: all of them or none for a kind that does not
	// count them, and 1 or 0 for a kind without replicas; found is false when the member has no object of this binding.
	Ready(ctx context.Context, cluster string, kind schema.GroupVersionKind, object, binding types.NamespacedName) (ready int32, found bool, err error)
}
