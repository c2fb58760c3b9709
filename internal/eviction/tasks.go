package eviction

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

const (
	// maxMessage is the longest message of a task, in bytes; the schema says so.
	maxMessage = 1024
	// defaultCoolDown is how long a cluster in which an application failed gets nothing of it when its policy does not say; the
	// schema says so too.
	defaultCoolDown = 600 * time.Second
)

// judgeTasks sorts the tasks that a binding has into those that stay and those that end.
func (p *planner) judgeTasks(b *binding) {
	for i := range b.spec.GracefulEvictionTasks {
		task := &b.spec.GracefulEvictionTasks[i]
		if outcome := p.outcome(b, task); outcome != "" {
			b.change.Ended = append(b.change.Ended, End{Cluster: task.FromCluster, Reason: task.Reason, Outcome: outcome})
			b.dirty = true
			continue
		}
		b.change.Tasks = append(b.change.Tasks, p.handedOver(b, *task))
	}
}

// handedOver is a task that stays. One that only keeps its cluster away any more hands nothing over: what the old copy left was for its
// replacement, not for a copy that is made later for another cause.
func (p *planner) handedOver(b *binding, task v1alpha1.GracefulEvictionTask) v1alpha1.GracefulEvictionTask {
	cluster := p.clusters[task.FromCluster]
	held := b.has(task.FromCluster) || b.spec.Retains(task.FromCluster) ||
		task.PurgeMode == v1alpha1.PurgeDirectly && cluster != nil && p.replacing(b, &task, cluster)
	if task.Producer != Producer || held || len(task.PreservedLabelState)+len(task.PreservedAnnotationState) == 0 {
		return task
	}
	task.PreservedLabelState, task.PreservedAnnotationState = nil, nil
	b.dirty = true
	return task
}

// outcome says how a task ended; empty while it stays. A user may have edited it meanwhile; only its cluster, its reason and its
// time count.
func (p *planner) outcome(b *binding, task *v1alpha1.GracefulEvictionTask) Outcome {
	cluster := p.clusters[task.FromCluster]
	switch {
	case task.Producer != Producer:
		return ""
	case cluster == nil:
		return ClusterGone
	case b.has(task.FromCluster):
		if p.wanted(b, task, cluster) {
			return ""
		}
		return Withdrawn
	case b.spec.Retains(task.FromCluster):
		// How the old copy is let go depends on the task. Nobody has said anything about it, and nothing asks for it any more:
		// then the cluster may as well be chosen again.
		if task.SuppressDeletion == nil && task.Reason != v1alpha1.ReasonApplicationFailure && !p.wanted(b, task, cluster) {
			return Withdrawn
		}
		return ""
	case task.PurgeMode == v1alpha1.PurgeDirectly && p.replacing(b, task, cluster):
		return ""
	case p.keepsAway(b, task, cluster):
		return ""
	}
	return Done
}

// replacing says whether a copy that goes before its replacement comes is still there, or is not replaced yet: the scheduler
// waits for the one, and hands the task's state on with the other.
func (p *planner) replacing(b *binding, task *v1alpha1.GracefulEvictionTask, cluster *v1alpha1.Cluster) bool {
	if b.item(task.FromCluster) != nil && meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionReady) {
		return true
	}
	placed := int32(0)
	for i := range b.spec.Clusters {
		placed += ptr.Deref(b.spec.Clusters[i].Replicas, 1)
	}
	short := placed == 0 || b.spec.Placement.Divides() && placed < ptr.Deref(b.spec.Replicas, 1)
	return short && p.wanted(b, task, cluster)
}

// wanted says whether the cause of a task that has not been obeyed yet is still there. One that was never there before the task
// was made, such as another taint of a cluster that is as ill as it was, does not begin to be waited for again.
func (p *planner) wanted(b *binding, task *v1alpha1.GracefulEvictionTask, cluster *v1alpha1.Cluster) bool {
	if Ended(b.Binding, cluster.Name) {
		return false
	}
	if task.Reason == v1alpha1.ReasonApplicationFailure {
		item := b.item(cluster.Name)
		return b.applicationFailover() != nil && !p.heardWell(b, cluster) && (item == nil || item.UnhealthySince != nil || item.Health != v1alpha1.Healthy)
	}
	return p.anyTaint(cluster, b.spec.Placement, func(c *cause) bool {
		return c.dueAt(p.Now) || c.health && task.CreationTimestamp != nil && !c.since.Before(task.CreationTimestamp.Time)
	})
}

// keepsAway says whether a task goes on although its cluster holds nothing any more, because the scheduler would choose the
// cluster again: until the cool-down ends where the application failed, and while there is a taint that the placement tolerates
// for a time which is over.
func (p *planner) keepsAway(b *binding, task *v1alpha1.GracefulEvictionTask, cluster *v1alpha1.Cluster) bool {
	if task.Reason != v1alpha1.ReasonApplicationFailure {
		return p.anyTaint(cluster, b.spec.Placement, func(c *cause) bool { return c.admitted && c.dueAt(p.Now) })
	}
	failover := b.applicationFailover()
	if failover == nil || task.CreationTimestamp == nil {
		return false
	}
	until := task.CreationTimestamp.Add(secondsOr(failover.CoolDownSeconds, defaultCoolDown))
	if !p.Now.Before(until) {
		return false
	}
	p.lookAt(until)
	return true
}

// newTask is the task of a candidate, and what of its state is lost.
func (p *planner) newTask(c candidate) (v1alpha1.GracefulEvictionTask, string) {
	spec := c.binding.spec
	task := v1alpha1.GracefulEvictionTask{
		FromCluster: c.target.Name, Replicas: c.target.Replicas, Reason: c.cause.reason, Producer: Producer,
		CreationTimestamp: ptr.To(metav1.NewTime(p.Now.Truncate(time.Second))), ClustersBeforeFailover: names(spec.Clusters),
		PurgeMode: v1alpha1.PurgeGracefully,
	}
	var rules *v1alpha1.StatePreservation
	switch {
	case spec.Failover == nil:
	case c.cause.reason == v1alpha1.ReasonApplicationFailure:
		a := spec.Failover.Application
		rules, task.GracePeriodSeconds = a.StatePreservation, a.GracePeriodSeconds
		setMode(&task, a.PurgeMode)
	case spec.Failover.Cluster != nil:
		rules = spec.Failover.Cluster.StatePreservation
		setMode(&task, spec.Failover.Cluster.PurgeMode)
	}
	if !p.Settings.Graceful && task.PurgeMode == v1alpha1.PurgeGracefully {
		task.PurgeMode, task.GracePeriodSeconds = v1alpha1.PurgeDirectly, nil
	}
	state := preserve(rules, c.binding.item(c.target.Name))
	task.PreservedLabelState, task.PreservedAnnotationState = state.labels, state.annotations
	lost := strings.Join(state.lost, ", ")
	message := c.cause.message()
	if lost != "" {
		message += "; not preserved: " + lost
	}
	task.Message = conditions.Shorten(message, maxMessage)
	return task, lost
}

// setMode says when the old copy goes. A grace period counts with Gracefully only.
func setMode(task *v1alpha1.GracefulEvictionTask, mode v1alpha1.PurgeMode) {
	if mode != "" {
		task.PurgeMode = mode
	}
	if task.PurgeMode != v1alpha1.PurgeGracefully {
		task.GracePeriodSeconds = nil
	}
	if task.PurgeMode == v1alpha1.PurgeNever {
		task.SuppressDeletion = ptr.To(true)
	}
}

func names(targets []v1alpha1.TargetCluster) []string {
	names := make([]string, len(targets))
	for i := range targets {
		names[i] = targets[i].Name
	}
	slices.Sort(names)
	return names
}
