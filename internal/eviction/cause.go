package eviction

import (
	"fmt"
	"iter"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/health"
	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/internal/toleration"
)

// defaultPatience is for how long a policy tolerates an unhealthy application when it does not say; the schema says so too.
const defaultPatience = 300 * time.Second

// cause is why a binding is to leave a cluster.
type cause struct {
	reason string
	// taint that it is; nil for an application's failure.
	taint *corev1.Taint
	// patience is how long it is tolerated.
	patience time.Duration
	// since is when the cause began; zero when nobody knows.
	since time.Time
	// due is when the cluster is to be left; zero for at once.
	due time.Time
	// health is true when the manager itself says that the cluster is not well.
	health bool
	// admitted is true when the placement tolerates the taint for a while, so that the scheduler would choose the cluster.
	admitted bool
}

// dueAt is true when the cause wants the cluster to be left.
func (c *cause) dueAt(now time.Time) bool { return !c.due.After(now) }

// before says which of two causes counts: one that is due, and of these one that somebody asked for rather than
// one that the guard may hold, and then the earlier one.
func (c *cause) before(o *cause, now time.Time) bool {
	if mine, other := c.dueAt(now), o.dueAt(now); mine != other {
		return mine
	} else if mine && c.health != o.health {
		return o.health
	}
	return c.due.Before(o.due)
}

// taintCause is the cause that counts among the taints of a cluster; nil when they are all tolerated. What the manager itself once said
// about a cluster's health begins nothing while it does not know that it is still so, and nothing that was before the outage counts: such a
// taint may be older, because a user wrote it or a backup brought it back.
func (p *planner) taintCause(cluster *v1alpha1.Cluster, placement *v1alpha1.Placement) *cause {
	since, lost := p.lost(cluster)
	var first *cause
	for c := range p.taintCauses(cluster, placement) {
		if c.health && !lost {
			continue
		}
		if c.health && c.patience > 0 && c.since.Before(since) {
			c.since, c.due = since, since.Add(c.patience)
		}
		if first == nil || c.before(first, p.Now) {
			first = c
		}
	}
	return first
}

// lost says whether this process knows that a cluster is not well, and has been for long enough to say so in its condition, and nothing
// says that it is about to be: it does not answer again. If so, it says since when it has not been Ready.
func (p *planner) lost(cluster *v1alpha1.Cluster) (since time.Time, lost bool) {
	_, known := p.Sightings.Lost(cluster)
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	if !known || ready == nil || !health.Outage(*ready) || stampede.Answers(cluster) {
		return time.Time{}, false
	}
	return ready.LastTransitionTime.Time, true
}

// anyTaint says whether a taint of a cluster evicts sooner or later, and is as asked for.
func (p *planner) anyTaint(cluster *v1alpha1.Cluster, placement *v1alpha1.Placement, is func(*cause) bool) bool {
	for c := range p.taintCauses(cluster, placement) {
		if is(c) {
			return true
		}
	}
	return false
}

// taintCauses are the taints of a cluster that evict sooner or later.
func (p *planner) taintCauses(cluster *v1alpha1.Cluster, placement *v1alpha1.Placement) iter.Seq[*cause] {
	return func(yield func(*cause) bool) {
		if placement == nil {
			return
		}
		for i := range cluster.Spec.Taints {
			taint := &cluster.Spec.Taints[i]
			if !p.Settings.Evicts(taint) {
				continue
			}
			if c := p.judgeTaint(cluster, taint, placement.ClusterTolerations); c != nil && !yield(c) {
				return
			}
		}
	}
}

// Evicts says whether a taint is of those that evict what does not tolerate them.
func (s Settings) Evicts(taint *corev1.Taint) bool {
	return taint.Effect == corev1.TaintEffectNoExecute && (s.Failover || taint.Key == v1alpha1.DrainTaint)
}

// judgeTaint is the cause that one taint is; nil when it is tolerated for ever, or nobody knows since when.
func (p *planner) judgeTaint(cluster *v1alpha1.Cluster, taint *corev1.Taint, tolerations []corev1.Toleration) *cause {
	patience, tolerated, forever := toleration.For(taint, tolerations)
	if forever {
		return nil
	}
	c := &cause{
		reason: v1alpha1.ReasonTaintUntolerated, taint: taint, patience: patience, admitted: tolerated, health: v1alpha1.IsHealthTaint(taint.Key),
	}
	if taint.Key == v1alpha1.DrainTaint {
		c.reason = v1alpha1.ReasonDrained
	}
	if c.health && !tolerated {
		c.patience = p.Settings.Toleration
	}
	since, known := cluster.TaintedSince(taint)
	if !known && c.patience > 0 {
		return nil // tainting notes the time, and then its clock runs
	}
	c.since = since
	if c.patience > 0 {
		c.due = since.Add(c.patience)
	}
	return c
}

// message tells people what the cause is.
func (c *cause) message() string {
	if c.taint == nil {
		return fmt.Sprintf("the application has been unhealthy there since %s; its policy tolerates %s", c.since.UTC().Format(time.RFC3339), c.patience)
	}
	text := fmt.Sprintf("the cluster has the taint {%s}", c.taint.ToString())
	switch {
	case c.admitted:
		return fmt.Sprintf("%s, which the placement tolerates for %s", text, c.patience)
	case c.health:
		return fmt.Sprintf("%s, which is tolerated for %s by default", text, c.patience)
	default:
		return text + ", which the placement does not tolerate"
	}
}

// applicationCause is the application's bad health in a cluster; nil when its policy does not ask about it or it is not known
// to be bad. While the host does not see a cluster well, nobody knows; and before it counts, the member itself must have said so to this
// process: what the binding's status says may have been so an hour ago.
func (p *planner) applicationCause(b *binding, cluster *v1alpha1.Cluster) *cause {
	failover := b.applicationFailover()
	if failover == nil {
		return nil
	}
	item := b.item(cluster.Name)
	if item == nil || item.UnhealthySince == nil || item.Health != v1alpha1.Unhealthy || p.sights[cluster.Name] != stampede.Fine {
		return nil
	}
	patience := secondsOr(failover.DecisionConditions.TolerationSeconds, defaultPatience)
	since := item.UnhealthySince.Time
	c := &cause{reason: v1alpha1.ReasonApplicationFailure, patience: patience, since: since, due: since.Add(patience)}
	if p.Heard == nil || !c.dueAt(p.Now) || Ended(b.Binding, cluster.Name) {
		return c
	}
	switch said, heard := p.Heard(b.key, cluster); {
	case !heard:
		p.doubts = append(p.doubts, Doubt{Binding: b.key, Cluster: cluster.Name})
	case said == v1alpha1.Unhealthy:
		return c
	}
	return nil // the answer, or the status that follows it, leads back here
}

// heardWell says whether a member itself has said that an application is healthy, be the binding's status as it may.
func (p *planner) heardWell(b *binding, cluster *v1alpha1.Cluster) bool {
	if p.Heard == nil {
		return false
	}
	said, heard := p.Heard(b.key, cluster)
	return heard && said == v1alpha1.Healthy
}

// candidateCause is the cause for which a cluster that a binding is in is to be left, now or later; nil for none.
func (p *planner) candidateCause(b *binding, cluster *v1alpha1.Cluster) *cause {
	taint := p.taintCause(cluster, b.spec.Placement)
	application := p.applicationCause(b, cluster)
	if taint == nil || application != nil && application.before(taint, p.Now) {
		return application
	}
	return taint
}

func secondsOr(seconds *int32, otherwise time.Duration) time.Duration {
	if seconds == nil {
		return otherwise
	}
	return time.Duration(ptr.Deref(seconds, 0)) * time.Second
}
