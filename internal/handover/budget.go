package handover

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// obeyBudget puts off what the policy's disruption does not allow now: the whole move while too much is not ready, and
// otherwise the clusters that would be too many to leave at the same time.
func (p *planner) obeyBudget() {
	budget := p.f.Spec.Disruption
	shrinking := p.shrinking()
	if budget == nil || !p.f.Voluntary || p.moved() == 0 {
		return
	}
	if budget.MaxUnavailableReplicas != nil {
		missing := p.missing()
		if most := p.mostUnavailable(); missing > most {
			p.plan.Doubtful = p.f.Fresh == nil
			p.plan.Clusters, p.plan.Deferred = slices.Clone(p.f.Spec.Clusters), true
			p.tell(v1alpha1.ReasonDisruptionBudget, fmt.Sprintf("the move waits: %d of %d are not ready, and disruption.maxUnavailableReplicas allows %d",
				missing, total(p.f.Spec.Clusters), most))
			return
		}
	}
	if budget.MaxUnavailableClusters == nil {
		return
	}
	may := max(int(*budget.MaxUnavailableClusters)-p.underWay(), 0)
	if len(shrinking) <= may {
		return
	}
	p.stay(shrinking[may:])
	p.tell(v1alpha1.ReasonDisruptionBudget, fmt.Sprintf("disruption.maxUnavailableClusters lets %d be left at the same time, %d more wait",
		*budget.MaxUnavailableClusters, len(shrinking)-may))
}

// moved is how much of the template the decision takes from clusters, beyond what the user gave up by asking for less.
func (p *planner) moved() int64 {
	lost := int64(0)
	for _, target := range p.f.Spec.Clusters {
		lost += max(units(target.Replicas)-in(p.plan.Clusters, target.Name), 0)
	}
	return lost - min(lost, max(total(p.f.Spec.Clusters)-p.wanted(), 0))
}

// underWay is how many clusters are being left. One that a user keeps, or that has the last copy, may stay for ever: it does not
// count.
func (p *planner) underWay() (n int) {
	for i := range p.f.Spec.Retained {
		if r := &p.f.Spec.Retained[i]; !r.LastCopy && !p.suppressed(r.Name) {
			n++
		}
	}
	return n
}

// missing is how much is not ready where the template is, without what the move itself takes away: to move what is not ready
// costs nothing, and may be its cure.
func (p *planner) missing() (missing int64) {
	for _, target := range p.f.Spec.Clusters {
		has := units(target.Replicas)
		ready, _ := reported(p.f.Reports, target.Name, has)
		if p.f.Fresh != nil {
			ready = int64(max(p.f.Fresh[target.Name], 0))
		}
		taken := max(has-in(p.plan.Clusters, target.Name), 0)
		missing += max(has-min(ready, has)-taken, 0)
	}
	return missing
}

// shrinking are the clusters that lose something, by name.
func (p *planner) shrinking() (names []string) {
	for _, target := range p.f.Spec.Clusters {
		if in(p.plan.Clusters, target.Name) < units(target.Replicas) {
			names = append(names, target.Name)
		}
	}
	return names
}

// stay lets clusters keep what they have, and takes as much from what the decision adds elsewhere.
func (p *planner) stay(names []string) {
	p.plan.Deferred = true
	back := int64(0)
	var clusters []v1alpha1.TargetCluster
	for _, target := range p.plan.Clusters {
		if !slices.Contains(names, target.Name) {
			clusters = append(clusters, target)
		}
	}
	for _, name := range names {
		had := *find(p.f.Spec.Clusters, name)
		back += units(had.Replicas) - in(p.plan.Clusters, name)
		clusters = append(clusters, had)
	}
	if p.f.Spec.Placement.Divides() {
		back = p.fewer(clusters, back, p.f.Spec.Clusters)
		p.fewer(clusters, back, p.plan.Clusters) // the user asks for less than stays
	}
	clusters = slices.DeleteFunc(clusters, func(t v1alpha1.TargetCluster) bool {
		return t.Replicas != nil && *t.Replicas == 0 && (find(p.f.Spec.Clusters, t.Name) == nil || find(p.plan.Clusters, t.Name) == nil)
	})
	slices.SortFunc(clusters, byName)
	p.plan.Clusters = clusters
}

// fewer takes replicas back from clusters, the last ones first, but none that they have by a list; it says how many are left to
// be taken.
func (p *planner) fewer(clusters []v1alpha1.TargetCluster, back int64, least []v1alpha1.TargetCluster) int64 {
	for i := len(clusters) - 1; i >= 0 && back > 0; i-- {
		target := &clusters[i]
		less := min(max(units(target.Replicas)-in(least, target.Name), 0), back)
		if target.Replicas != nil && less > 0 {
			target.Replicas = ptr.To(*target.Replicas - int32(less))
			back -= less
		}
	}
	return back
}

// mostUnavailable is how much of the template may be not ready because of moves that nothing forces.
func (p *planner) mostUnavailable() int64 {
	if p.f.Spec.Disruption == nil || p.f.Spec.Disruption.MaxUnavailableReplicas == nil {
		return 0
	}
	// A text that is no percentage is refused at admission.
	most, err := intstr.GetScaledValueFromIntOrPercent(p.f.Spec.Disruption.MaxUnavailableReplicas, int(p.wanted()), false)
	if err != nil {
		return 0
	}
	return int64(most)
}

// allowance is how much less than what is awaited lets a cluster go. What fails waits for all of its replacement.
func (p *planner) allowance(cluster string) int64 {
	if task := p.task(cluster); task != nil && task.Reason != v1alpha1.ReasonDrained {
		return 0
	}
	return p.mostUnavailable()
}
