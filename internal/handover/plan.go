package handover

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

// Member is what matters of a Cluster.
type Member struct {
	// Ready is true when the member answers.
	Ready bool
	// Abandoned is true when nothing has to be waited for before the member is left: its Cluster is being deleted by
	// force, or so that the objects stay in it.
	Abandoned bool
}

// Facts are what a plan depends on. Nothing of them is changed.
type Facts struct {
	// Spec is the binding's, as it is: where the template is, what is retained, which tasks there are.
	Spec *v1alpha1.BindingSpec
	// Decided is where it should be, by name, and Pending how many replicas found no room.
	Decided []v1alpha1.TargetCluster
	Pending int32
	// Voluntary is true when nothing forces what the decision changes; Reason says why it does, in CamelCase.
	Voluntary bool
	Reason    string
	// Reports are what members said.
	Reports []v1alpha1.AggregatedStatusItem
	// Fresh is how much is ready in clusters that have or retain the template, read from their members just now; nil when
	// nobody asked. A member that did not answer is missing in it; one that has no copy at all is Absent.
	Fresh map[string]int32
	// Members are the clusters that exist, of those that Spec names: that have or retain the template, or have a task.
	Members map[string]Member
	// Grace bounds the wait for a replacement, where a task does not say otherwise.
	Grace time.Duration
	// Graceful is false when clusters are to be left without waiting for a replacement, but for those that users keep.
	Graceful bool
	// Now is the time that the grace period is measured by.
	Now time.Time
}

// Absent says in Facts.Fresh that a member has no copy of the template.
const Absent = -1

// Plan is what is written of a decision.
type Plan struct {
	// Clusters is spec.clusters, and Retained spec.retained, both by name.
	Clusters []v1alpha1.TargetCluster
	Retained []v1alpha1.RetainedCluster
	// Withheld is how many replicas of the decision are not placed yet; they are pending beside those that found no room.
	Withheld int32
	// Deferred is true when something of the decision was put off, so that it has to be made again.
	Deferred bool
	// Doubtful is true when the plan rests on reports that less is ready than should be. They may be old: the members should
	// be asked before it is written.
	Doubtful bool
	// Reason is one of the condition Moving; ReasonMoved when nothing moves. Message says more, for people.
	Reason, Message string
	// RetryAfter is when time alone leads to another plan; 0 for never.
	RetryAfter time.Duration
}

// Moving says whether the plan is not the end of a move.
func (p Plan) Moving() bool { return p.Reason != v1alpha1.ReasonMoved }

// Ripe says whether a cluster could let go, as far as reports tell, so that it is worth asking the members.
func Ripe(f Facts) bool {
	f.Fresh = map[string]int32{}
	note := func(cluster string, replicas *int32) {
		if ready, known := reported(f.Reports, cluster, units(replicas)); known {
			f.Fresh[cluster] = int32(min(ready, units(replicas)))
		}
	}
	for _, target := range f.Spec.Clusters {
		note(target.Name, target.Replicas)
	}
	for _, r := range f.Spec.Retained {
		note(r.Name, r.Replicas)
	}
	f.Decided = f.Spec.Clusters
	p := planner{f: &f, plan: Plan{Clusters: f.Spec.Clusters}}
	return slices.ContainsFunc(f.Spec.Retained, func(r v1alpha1.RetainedCluster) bool { return p.hold(r) == letGo })
}

// Make makes the plan of a decision.
func Make(f Facts) Plan {
	p := planner{f: &f, plan: Plan{Clusters: slices.Clone(f.Decided), Reason: v1alpha1.ReasonMoved, Message: "nothing is on its way"}}
	p.obeyBudget()
	p.purgeFirst()
	p.retain()
	p.handOver()
	if len(p.said) > 0 {
		p.plan.Message = conditions.Shorten(strings.Join(p.said, "; "), conditions.MaxMessage)
	}
	return p.plan
}

// planner is one run of Make.
type planner struct {
	f    *Facts
	plan Plan
	said []string
}

// tell says what keeps the move from its end. The first reason is the condition's.
func (p *planner) tell(reason, message string) {
	if !p.plan.Moving() {
		p.plan.Reason = reason
	}
	p.said = append(p.said, message)
}

func (p *planner) task(cluster string) *v1alpha1.GracefulEvictionTask {
	tasks := p.f.Spec.GracefulEvictionTasks
	i := slices.IndexFunc(tasks, func(t v1alpha1.GracefulEvictionTask) bool { return t.FromCluster == cluster })
	if i < 0 {
		return nil
	}
	return &tasks[i]
}

// wanted is how much of the template there should be, whatever of it is put off.
func (p *planner) wanted() int64 { return total(p.f.Decided) + int64(p.f.Pending) }

// retain keeps what was retained and is not replaced yet, and what this decision takes away and replaces.
func (p *planner) retain() {
	growing := p.growing()
	awaited := slices.Clone(growing)
	for _, r := range p.f.Spec.Retained { // what an earlier move added may not be ready yet
		awaited = append(awaited, r.Awaits...)
	}
	awaited = p.decidedOf(awaited)
	kept := p.left(awaited)
	for _, r := range p.f.Spec.Retained {
		r.Awaits = awaited
		if len(growing) > 0 || r.LastCopy && p.f.proven(p.plan.Clusters) > 0 { // another replacement, or the first sign of one
			r.Since, r.LastCopy = p.now(), false
		}
		kept = append(kept, r)
	}
	slices.SortFunc(kept, func(a, b v1alpha1.RetainedCluster) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range kept {
		why := p.hold(r)
		if why == letGo {
			continue
		}
		r.LastCopy = why == v1alpha1.ReasonLastCopy
		p.plan.Retained = append(p.plan.Retained, r)
		p.explain(r, why)
	}
}

// growing are the clusters to which the decision gives more, by name.
func (p *planner) growing() (names []string) {
	for _, target := range p.plan.Clusters {
		if find(p.f.Spec.Clusters, target.Name) == nil || units(target.Replicas) > in(p.f.Spec.Clusters, target.Name) {
			names = append(names, target.Name)
		}
	}
	return names
}

// decidedOf are those of some clusters that the decision still names, by name.
func (p *planner) decidedOf(names []string) []string {
	slices.Sort(names)
	decided := slices.DeleteFunc(slices.Compact(names), func(name string) bool { return find(p.plan.Clusters, name) == nil })
	return slices.Clip(decided)
}

// letGo is why a cluster is not held; the other answers are reasons of the condition Moving.
const letGo = ""

// hold says why a retained cluster has to keep what it has.
func (p *planner) hold(r v1alpha1.RetainedCluster) (reason string) {
	task := p.task(r.Name)
	member, exists := p.f.Members[r.Name]
	back := find(p.plan.Clusters, r.Name)
	switch {
	case !exists, member.Abandoned, back != nil && units(back.Replicas) >= units(r.Replicas):
		return letGo
	case task != nil && task.PurgeMode == v1alpha1.PurgeDirectly:
		return letGo
	case task != nil && task.SuppressDeletion != nil && *task.SuppressDeletion:
		return v1alpha1.ReasonKeptByUser
	case task != nil && task.SuppressDeletion != nil:
		return letGo
	}
	return p.await(r, task)
}

// await says why a replacement is still waited for. Without members that were just asked nothing is taken for ready.
func (p *planner) await(r v1alpha1.RetainedCluster, task *v1alpha1.GracefulEvictionTask) (reason string) {
	proven := p.f.proven(p.plan.Clusters)
	switch {
	case p.wanted() == 0, p.idle(r.Name), proven > 0 && p.replaced(r):
		return letGo
	case p.f.Now.Before(r.Since.Add(p.grace(task))):
		return v1alpha1.ReasonReplacementNotReady
	case proven > 0:
		return letGo
	}
	return v1alpha1.ReasonLastCopy
}

// replaced says whether all that a cluster gave away is placed, and what took it over is ready. What is ready in clusters that
// had it before stands in for nothing; nor does what a member has not reported as applied: it may be an old copy that is just being
// removed there, because the cluster had been left before it was chosen again.
func (p *planner) replaced(r v1alpha1.RetainedCluster) bool {
	if total(p.plan.Clusters) < min(int64(r.Placed), p.wanted()) {
		return false
	}
	missing := int64(0)
	for _, name := range r.Awaits {
		ready := int64(0)
		if applied(p.f.Reports, name) {
			ready = int64(max(p.f.Fresh[name], 0))
		}
		missing += max(in(p.plan.Clusters, name)-ready, 0)
	}
	return missing <= p.allowance(r.Name)
}

// grace is how long a replacement is waited for.
func (p *planner) grace(task *v1alpha1.GracefulEvictionTask) time.Duration {
	if task != nil && task.GracePeriodSeconds != nil {
		return time.Duration(*task.GracePeriodSeconds) * time.Second
	}
	return p.f.Grace
}

// explain tells why a cluster is held, and sees to it that the end of its grace period is noticed.
func (p *planner) explain(r v1alpha1.RetainedCluster, why string) {
	what := "what it has"
	if r.Replicas != nil {
		what = conditions.Count(int(*r.Replicas), "replica")
	}
	switch why {
	case v1alpha1.ReasonKeptByUser:
		p.tell(why, fmt.Sprintf("%s keeps %s until suppressDeletion of its task in spec.gracefulEvictionTasks is set to false", r.Name, what))
	case v1alpha1.ReasonLastCopy:
		p.tell(why, fmt.Sprintf("%s keeps %s although the grace period has ended: nothing of it is ready elsewhere; a task for it in "+
			"spec.gracefulEvictionTasks with suppressDeletion: false lets it go all the same", r.Name, what))
	default:
		end := r.Since.Add(p.grace(p.task(r.Name)))
		if after := end.Sub(p.f.Now); p.plan.RetryAfter == 0 || after < p.plan.RetryAfter {
			p.plan.RetryAfter = after
		}
		p.tell(why, fmt.Sprintf("%s keeps %s until its replacement is ready%s, or until %s when any of it is", r.Name, what, where(r.Awaits), end.UTC().Format(time.RFC3339)))
	}
}

// maxNamed is how many clusters a message names.
const maxNamed = 5

func where(clusters []string) string {
	switch n := len(clusters); {
	case n == 0:
		return ""
	case n > maxNamed:
		return fmt.Sprintf(" in %s and %d more", strings.Join(clusters[:maxNamed], ", "), n-maxNamed)
	}
	return " in " + strings.Join(clusters, ", ")
}

// left are the clusters that this decision takes something from that is replaced, with what they keep; and those that might
// have the last of it that is ready.
func (p *planner) left(awaited []string) (left []v1alpha1.RetainedCluster) {
	before := p.f.Spec.Clusters
	moved := p.moved() > 0 // what the user gave up, by asking for less, nothing replaces
	for _, target := range before {
		if in(p.plan.Clusters, target.Name) >= units(target.Replicas) || p.f.Spec.Retains(target.Name) {
			continue
		}
		if !p.keeps(target.Name, moved) {
			continue
		}
		left = append(left, v1alpha1.RetainedCluster{
			Name: target.Name, Replicas: target.Replicas, Since: p.now(), Reason: p.f.Reason,
			Awaits: awaited, Placed: int32(total(before)),
		})
	}
	return left
}

// keeps says whether a cluster that the decision takes something from keeps it for now; moved is true when something replaces it.
func (p *planner) keeps(cluster string, moved bool) bool {
	dropped := find(p.plan.Clusters, cluster) == nil
	switch {
	case p.suppressed(cluster):
		return true
	case !p.f.Graceful, p.idle(cluster), !moved && !dropped, p.wanted() == 0:
		return false
	case !moved && p.f.Fresh == nil: // is it the last copy? Reports may be old
		p.plan.Doubtful = true
		return true
	}
	return moved || p.f.proven(p.plan.Clusters) == 0
}

// suppressed says whether a user, or the purge mode Never, keeps a cluster's copy.
func (p *planner) suppressed(cluster string) bool {
	task := p.task(cluster)
	return task != nil && ptr.Deref(task.SuppressDeletion, false)
}

// now has the API's precision.
func (p *planner) now() metav1.Time { return metav1.NewTime(p.f.Now.Truncate(time.Second)) }

// idle says that a member was asked just now and has no copy: there is nothing to keep. One that has a copy of which nothing is
// ready may be restarting it.
func (p *planner) idle(cluster string) bool {
	ready, asked := p.f.Fresh[cluster]
	return asked && ready == Absent
}

// purgeFirst puts off what replaces a cluster that is left with the purge mode Directly, while its member answers and still
// holds the old copy: the user wants no two of them at the same time. What the decision adds for other causes does not wait.
func (p *planner) purgeFirst() {
	for i := range p.f.Spec.GracefulEvictionTasks {
		task := &p.f.Spec.GracefulEvictionTasks[i]
		left := task.PurgeMode == v1alpha1.PurgeDirectly && find(p.plan.Clusters, task.FromCluster) == nil
		if !left || !p.f.Members[task.FromCluster].Ready || !p.mayHold(task.FromCluster) {
			continue
		}
		if p.withhold(givenAway(task)) {
			p.tell(v1alpha1.ReasonOldCopyNotGone, task.FromCluster+" is being cleaned first, as the purge mode Directly of its task in "+
				"spec.gracefulEvictionTasks wants it; with Gracefully its replacement would not wait")
		}
	}
}

func (p *planner) mayHold(cluster string) bool {
	return find(p.f.Spec.Clusters, cluster) != nil ||
		slices.ContainsFunc(p.f.Reports, func(r v1alpha1.AggregatedStatusItem) bool { return r.ClusterName == cluster })
}

// givenAway is how much of the template leaves a cluster because of a task; all that is added may, when the task does not say.
func givenAway(task *v1alpha1.GracefulEvictionTask) int64 {
	if task.Replicas == nil {
		return math.MaxInt64
	}
	return int64(*task.Replicas)
}

// withhold takes back so much of what the decision adds, and says whether it added anything. A cluster that is added without a
// number of replicas of its own is taken back whole.
func (p *planner) withhold(most int64) bool {
	left := most
	var clusters []v1alpha1.TargetCluster
	for _, target := range p.plan.Clusters {
		had := find(p.f.Spec.Clusters, target.Name)
		more := max(units(target.Replicas)-in(p.f.Spec.Clusters, target.Name), 0)
		if had == nil {
			more = max(more, 1)
		}
		back := min(more, left)
		switch divided := p.f.Spec.Placement.Divides() && target.Replicas != nil; {
		case back == 0:
			clusters = append(clusters, target)
		case divided && (back < more || had != nil):
			target.Replicas = ptr.To(*target.Replicas - int32(back))
			clusters = append(clusters, target)
		case had != nil:
			clusters = append(clusters, *had)
		}
		left -= back
		if p.f.Spec.Placement.Divides() && target.Replicas != nil {
			p.plan.Withheld += int32(back)
		}
	}
	p.plan.Clusters = clusters
	return left < most
}
