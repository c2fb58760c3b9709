package schedule

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

const (
	// defaultStabilization is the API's default of failback.stabilizationSeconds.
	defaultStabilization = 300
	// failbackLook is how often preferred clusters are looked at while a template is not in them: that they could
	// take it is told by no single event.
	failbackLook = 30 * time.Second
)

// Input is what a decision depends on. Nothing of it is changed.
type Input struct {
	// Binding is the template's binding: its placement, replicas and current clusters.
	Binding *v1alpha1.BindingSpec
	// Clusters are all clusters that exist, in any order.
	Clusters []*v1alpha1.Cluster
	// Memory is what the last decision remembered; the zero value when there was none.
	Memory Memory
	// Room is how many more replicas each cluster has room for. A cluster that is missing in it has endless
	// room. Only needed when UsesRoom.
	Room map[string]Room
	// Neighbours are the other templates of the binding's workload affinity groups.
	Neighbours Neighbours
	// Now is the time that failback's stabilization is measured by.
	Now time.Time
}

// Room is what a cluster has room for, beside what runs there already.
type Room struct {
	// Replicas is how many more replicas fit, or sets of all components for a workload with several.
	Replicas int32
	// Shortage is what one more replica lacks first; it completes "The cluster had ...", as in "too little cpu".
	Shortage string
}

// Neighbours are where the other templates of a binding's workload affinity groups are.
type Neighbours struct {
	// Together are the clusters of each scheduled template of the affinity group.
	Together []Neighbour
	// Apart are the clusters of each scheduled template of the anti-affinity group.
	Apart []Neighbour
}

// Neighbour is one template of a group.
type Neighbour struct {
	// Name tells people which one, such as "Deployment shop/web".
	Name string
	// Clusters are where it is, by name.
	Clusters []string
}

// Decision is where a template goes.
type Decision struct {
	// Clusters is what the binding's spec.clusters should be, by name.
	Clusters []v1alpha1.TargetCluster
	// Pending is how many replicas found no room.
	Pending int32
	// Trigger is one of the Trigger constants: why the old placement was not simply kept. TriggerNone when it was.
	Trigger string
	// Reason is a reason of the condition Scheduled. Only ReasonScheduled means that the placement's rules
	// hold and every replica is placed.
	Reason string
	// Message says more, for people.
	Message string
	// Group is the affinity group of the decision; empty without clusterAffinities.
	Group string
	// Verdicts say what became of every cluster, by name.
	Verdicts []Verdict
	// Memory is to be kept with the decision, and given to the next one.
	Memory Memory
	// RetryAfter is when time alone leads to another decision; 0 for never.
	RetryAfter time.Duration
}

// Scheduled says whether the placement's rules hold and every replica is placed.
func (d Decision) Scheduled() bool { return d.Reason == v1alpha1.ReasonScheduled }

// Decide decides where a template goes. A binding without a placement is treated like an empty placement:
// every cluster, with all replicas in each.
func Decide(in Input) Decision {
	e := newEngine(&in)
	compiled, err := compile(in.Binding, ptr.To(ptr.Deref(in.Binding.Placement, v1alpha1.Placement{})))
	if err != nil {
		return e.keep(v1alpha1.ReasonInvalidPlacement, err.Error())
	}
	e.use(compiled)
	return e.decide()
}

// engine is one run of Decide.
type engine struct {
	in        *Input
	placement *placement
	replicas  int32
	sites     []site
	evicting  map[string]*v1alpha1.GracefulEvictionTask
	limits    map[string]int32
	// group is the one that was tried last; the sites tell of it. filtered says that nothing but the filters has
	// been asked yet.
	group    *group
	filtered bool

	values       []string // scratch
	requirements string
	kind         schema.GroupVersionKind
	groupVersion string
	unservedText string
}

func newEngine(in *Input) *engine {
	spec := in.Binding
	e := &engine{in: in, replicas: ptr.Deref(spec.Replicas, 0), sites: newSites(in), kind: spec.Resource.GroupVersionKind()}
	e.groupVersion, e.unservedText = e.kind.GroupVersion().String(), unservedText(e.kind)
	if len(spec.GracefulEvictionTasks) > 0 {
		e.evicting = make(map[string]*v1alpha1.GracefulEvictionTask, len(spec.GracefulEvictionTasks))
		for i := range spec.GracefulEvictionTasks {
			e.evicting[spec.GracefulEvictionTasks[i].FromCluster] = &spec.GracefulEvictionTasks[i]
		}
	}
	if len(spec.ReplicaLimits) > 0 {
		e.limits = make(map[string]int32, len(spec.ReplicaLimits))
		for _, limit := range spec.ReplicaLimits {
			if asked := spec.RescheduleTriggeredAt; asked != nil && limit.Since.Before(asked) {
				continue // who asks for a fresh decision asks to try again
			}
			e.limits[limit.Cluster] = max(limit.MaxReplicas, 0)
		}
	}
	return e
}

func (e *engine) use(p *placement) {
	e.placement = p
	if p.strategy.usesRoom() {
		e.requirements = hashOf(e.in.Binding.ReplicaRequirements)
	}
}

// attempt is what came of trying a group.
type attempt struct {
	fault   string // a reason of the condition Scheduled, when the group cannot be used at all
	message string
	placed  int64
	pending int32
}

func (a attempt) complete() bool { return a.fault == "" && a.pending == 0 }

// manner is how a group is tried: fresh forgets how the replicas were divided, returning takes them back from overflow
// tiers, anew forgets which clusters met the spread constraints.
type manner struct{ fresh, returning, anew bool }

func (e *engine) decide() Decision {
	groups := e.placement.groups
	order := e.placement.order(e.in.Memory.Group)
	e.filter(&groups[order[0]])
	e.filtered = true
	trigger := e.trigger()
	how := manner{fresh: trigger == TriggerRequest || trigger == TriggerPlacement && e.placement.strategy == byWeight, anew: trigger == TriggerRequest}
	if trigger == TriggerRequest {
		order = e.placement.order("")
	}
	chosen, result := e.first(order, how)
	if result.fault != "" {
		return e.keep(result.fault, result.message)
	}
	memory := Memory{
		Placement: e.placement.hash, Requirements: e.requirements, Group: groups[chosen].name,
		Request: e.in.Binding.RescheduleTriggeredAt,
	}
	retry := time.Duration(0)
	if back, wait, since := e.failback(chosen, how); back != nil {
		chosen, result, trigger = back.group, back.result, TriggerFailback
		memory.Group = groups[chosen].name
	} else {
		retry, memory.PreferredSince = wait, since
	}
	return e.settle(trigger, result, memory, retry)
}

// first tries groups in order, and leaves the sites as the first one that holds everything wants them; or, when none
// does, the one that holds most.
func (e *engine) first(order []int, how manner) (int, attempt) {
	best, bestResult := -1, attempt{}
	for _, i := range order {
		result := e.try(i, how)
		if result.complete() {
			return i, result
		}
		better := best < 0 || bestResult.fault != "" && result.fault == "" ||
			bestResult.fault == "" && result.fault == "" && result.placed > bestResult.placed
		if better {
			best, bestResult = i, result
		}
	}
	if best != order[len(order)-1] {
		bestResult = e.try(best, how)
	}
	return best, bestResult
}

// try works out what a group would do, and notes where more room would have helped.
func (e *engine) try(index int, how manner) attempt {
	result := e.attempt(index, how)
	for i := range e.sites {
		s := &e.sites[i]
		bounded := s.fits && s.room < endless && s.ceiling == addUp(s.was, s.room)
		if bounded && (s.share == s.ceiling || !s.selected && result.pending > 0) {
			s.full = true
		}
	}
	return result
}

func (e *engine) attempt(index int, how manner) attempt {
	if g := &e.placement.groups[index]; !e.filtered || e.group != g {
		e.filter(g)
	}
	e.filtered = false
	candidates, fault, message := e.candidates()
	if fault != "" {
		return attempt{fault: fault, message: message}
	}
	if len(candidates) > 0 {
		if message := e.choose(candidates, how.anew); message != "" {
			return attempt{fault: v1alpha1.ReasonSpreadNotMet, message: message}
		}
	}
	e.assign(how.fresh, how.returning)
	return e.count()
}

// candidates are the sites that fit and can take something.
func (e *engine) candidates() (candidates []*site, fault, message string) {
	fitting, weightless := 0, 0
	for i := range e.sites {
		s := &e.sites[i]
		if !s.fits {
			continue
		}
		fitting++
		switch {
		case e.placement.strategy == byWeight && s.weight <= 0 && s.floor == 0:
			weightless++
			s.verdict.Reason, s.verdict.Message = VerdictNoWeight, "is not in the staticWeightList"
		case e.full(s):
			s.verdict.Reason, s.verdict.Message = e.fullness(s)
		default:
			candidates = append(candidates, s)
		}
	}
	switch {
	case fitting == 0:
		return nil, v1alpha1.ReasonNoClusterFit, sumUp("fit", e.sites, whyNot)
	case weightless == fitting:
		return nil, v1alpha1.ReasonNoWeightMatches, "none of the " + conditions.Count(fitting, "cluster") + " that fit is in the staticWeightList"
	}
	return candidates, "", ""
}

// full says whether a site can hold nothing at all.
func (e *engine) full(s *site) bool {
	switch {
	case e.placement.strategy == oneSet:
		return s.room == 0 && !s.target
	case e.placement.strategy.divides():
		return s.ceiling == 0 && e.replicas > 0
	}
	return false
}

// count adds up what a group holds.
func (e *engine) count() attempt {
	result := attempt{}
	selected := 0
	for i := range e.sites {
		if e.sites[i].selected {
			selected++
			result.placed += int64(e.sites[i].share)
		}
	}
	switch {
	case e.placement.strategy.divides():
		result.pending = int32(int64(e.replicas) - result.placed)
	case selected == 0:
		result.fault, result.message = v1alpha1.ReasonUnschedulable, sumUp("have room", e.sites, whyNot)
	}
	return result
}

// failedBack is a decision to return to clusters that are preferred.
type failedBack struct {
	group  int
	result attempt
}

// failback looks whether clusters that are preferred to the chosen ones could take the template, and for how long
// they could. It leaves the sites as they are wanted.
func (e *engine) failback(chosen int, how manner) (back *failedBack, retry time.Duration, since *metav1.Time) {
	window := e.placement.failback
	if window == nil || !e.unpreferred(chosen) {
		return nil, 0, nil
	}
	group, possible := e.preferable(chosen, how)
	if !possible {
		e.try(chosen, how)
		return nil, failbackLook, nil
	}
	since = e.in.Memory.PreferredSince
	if since == nil {
		since = &metav1.Time{Time: e.in.Now.Truncate(time.Second)}
	}
	if wait := time.Duration(*window)*time.Second - e.in.Now.Sub(since.Time); wait > 0 {
		e.try(chosen, how)
		return nil, min(wait, failbackLook), since
	}
	how.returning, how.anew = group == chosen, group == chosen
	return &failedBack{group: group, result: e.try(group, how)}, 0, nil
}

// unpreferred says whether the sites, as they are chosen now, leave something to be wished for.
func (e *engine) unpreferred(chosen int) bool {
	return chosen > 0 || e.overflowing() > 0
}

// overflowing is how many replicas are in later tiers.
func (e *engine) overflowing() (replicas int64) {
	for i := range e.sites {
		if e.sites[i].selected && e.sites[i].tier > 0 {
			replicas += int64(e.sites[i].share)
		}
	}
	return replicas
}

// preferable finds the first group that is preferred to the chosen one and holds everything, or the chosen one itself
// when fewer replicas need to overflow.
func (e *engine) preferable(chosen int, how manner) (group int, possible bool) {
	before := e.overflowing()
	for i := range chosen {
		if e.try(i, how).complete() {
			return i, true
		}
	}
	if before == 0 {
		return chosen, false
	}
	how.returning, how.anew = true, true
	return chosen, e.try(chosen, how).complete() && e.overflowing() < before
}
