package eviction

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// planner is what is known while a plan is made.
type planner struct {
	Input
	clusters map[string]*v1alpha1.Cluster
	sights   map[string]stampede.Sight
	groups   map[string]string // by cluster
	guard    stampede.Verdict
	next     time.Time
	doubts   []Doubt
}

// binding is one binding while a plan is made.
type binding struct {
	v1alpha1.Binding
	key    types.NamespacedName
	spec   *v1alpha1.BindingSpec
	change Change
	// dirty is true when its tasks are to be written.
	dirty bool
}

// candidate is a cluster that a binding is to leave now.
type candidate struct {
	binding *binding
	target  *v1alpha1.TargetCluster
	cause   *cause
}

// Plan says which tasks begin and which end now, and when to ask again. The order of clusters and bindings does not
// matter.
func Plan(in Input) Result {
	p := newPlanner(in)
	var changed []*binding
	lanes := map[Lane][]candidate{}
	for _, b := range in.Bindings {
		if b.GetDeletionTimestamp() != nil {
			continue // it leaves every cluster
		}
		seen := newBinding(b)
		p.judgeTasks(seen)
		for _, c := range p.candidates(seen) {
			lane := p.lane(c)
			lanes[lane] = append(lanes[lane], c)
		}
		changed = append(changed, seen)
	}
	result := Result{Guard: p.guard, Waiting: map[string]int{}}
	for _, group := range p.groups {
		result.Waiting[group] = 0
	}
	result.Turns = p.share(lanes, &result)
	for _, b := range changed {
		if b.dirty {
			result.Changes = append(result.Changes, b.change)
		}
	}
	result.Next, result.Doubts = p.next, p.doubts
	return result
}

func newPlanner(in Input) *planner {
	p := &planner{
		Input: in, clusters: make(map[string]*v1alpha1.Cluster, len(in.Clusters)),
		sights: make(map[string]stampede.Sight, len(in.Clusters)), groups: make(map[string]string, len(in.Clusters)),
	}
	members := stampede.Members(in.Clusters, in.Sightings)
	for i := range in.Clusters {
		name := in.Clusters[i].Name
		p.clusters[name], p.sights[name], p.groups[name] = &in.Clusters[i], members[i].Sight, members[i].Group
	}
	p.guard = stampede.Judge(members, in.Settings.Limits)
	return p
}

func newBinding(b v1alpha1.Binding) *binding {
	return &binding{
		Binding: b, key: types.NamespacedName{Namespace: b.GetNamespace(), Name: b.GetName()}, spec: b.BindingSpec(), change: Change{Binding: b},
	}
}

// item is what a cluster reports; nil when it has not.
func (b *binding) item(cluster string) *v1alpha1.AggregatedStatusItem {
	items := b.BindingStatus().AggregatedStatus
	for i := range items {
		if items[i].ClusterName == cluster {
			return &items[i]
		}
	}
	return nil
}

func (b *binding) applicationFailover() *v1alpha1.ApplicationFailoverBehavior {
	if b.spec.Failover == nil || b.spec.Placement == nil {
		return nil
	}
	return b.spec.Failover.Application
}

// has says whether a cluster is still among those that were decided.
func (b *binding) has(cluster string) bool {
	return b.spec.Decides(cluster)
}

// asked says whether a task to leave a cluster stays, whoever made it.
func (b *binding) asked(cluster string) bool {
	return slices.ContainsFunc(b.change.Tasks, func(t v1alpha1.GracefulEvictionTask) bool { return t.FromCluster == cluster })
}

// candidates are the clusters that a binding is to leave now and has not been asked to.
func (p *planner) candidates(b *binding) []candidate {
	var due []candidate
	for i := range b.spec.Clusters {
		target := &b.spec.Clusters[i]
		cluster := p.clusters[target.Name]
		// A cluster that is being deleted is left anyway.
		if cluster == nil || cluster.DeletionTimestamp != nil || b.asked(target.Name) {
			continue
		}
		c := p.candidateCause(b, cluster)
		switch {
		case c == nil:
		case !c.dueAt(p.Now):
			p.lookAt(c.due)
		case !Ended(b.Binding, target.Name):
			due = append(due, candidate{b, target, c})
		}
	}
	return due
}

// start makes the task of a candidate.
func (p *planner) start(c candidate) {
	task, lost := p.newTask(c)
	b := c.binding
	b.change.Tasks = append(b.change.Tasks, task)
	slices.SortFunc(b.change.Tasks, func(x, y v1alpha1.GracefulEvictionTask) int { return strings.Compare(x.FromCluster, y.FromCluster) })
	b.change.Started = append(b.change.Started, Start{Task: task, Lost: lost})
	b.dirty = true
}

// lookAt makes sure that there is another plan at a time.
func (p *planner) lookAt(at time.Time) {
	if p.next.IsZero() || at.Before(p.next) {
		p.next = at
	}
}
