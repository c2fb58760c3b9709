package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/division"
)

// settle makes a decision of what the sites got.
func (e *engine) settle(trigger string, result attempt, memory Memory, retry time.Duration) Decision {
	held := e.hold(&result)
	memory.Pending = result.pending
	d := Decision{
		Clusters: e.targets(), Pending: result.pending, Trigger: trigger, Reason: v1alpha1.ReasonScheduled,
		Group: memory.Group, Memory: memory, RetryAfter: retry,
	}
	if trigger == TriggerNone && !sameTargets(d.Clusters, e.in.Binding.Clusters) {
		d.Trigger = TriggerClusterNew
	}
	e.finish(&d)
	d.Message = "placed in " + conditions.Count(len(d.Clusters), "cluster")
	if held > 0 {
		d.Reason = v1alpha1.ReasonLeaving
		d.Message = fmt.Sprintf("%s in clusters that should be left, until others have room for them: %s", stay(held), sumUp("can take more", e.sites, e.whyNoMore))
	}
	if result.pending > 0 {
		d.Reason = v1alpha1.ReasonUnschedulable
		d.Message = fmt.Sprintf("%d of %s placed, %d pending: %s",
			e.replicas-result.pending, conditions.Count(int(e.replicas), "replica"), result.pending, sumUp("can take more", e.sites, e.whyNoMore))
	}
	return d
}

func stay(replicas int64) string {
	if replicas == 1 {
		return "1 replica stays"
	}
	return fmt.Sprintf("%d replicas stay", replicas)
}

// hold leaves replicas that found no room where they are, even if they should not be there: in clusters that no longer
// fit or that the spread constraints or the weights leave out, and above what the descheduler allows. A replica that runs badly is
// better than one that does not run.
func (e *engine) hold(result *attempt) (held int64) {
	if result.pending == 0 {
		return 0
	}
	var holders []*site
	for i := range e.sites {
		if s := &e.sites[i]; s.stays() && s.was > s.share && (!s.fits || s.leftOut() || e.limited(s)) {
			holders = append(holders, s)
		}
	}
	slices.SortFunc(holders, fullest)
	for _, s := range holders {
		back := min(s.was-s.share, result.pending)
		s.share += back
		result.pending -= back
		held += int64(back)
		if (!s.fits || s.leftOut()) && back > 0 {
			s.verdict.Message += "; it keeps what no other cluster has room for"
			s.verdict.Reason = VerdictLeaving
		}
	}
	return held
}

// leftOut says that a site could hold something, and the spread constraints or the static weights left it out.
func (s *site) leftOut() bool {
	return s.fits && !s.selected && (s.verdict.Reason == VerdictSelected || s.verdict.Reason == VerdictNoWeight)
}

// limited says whether the descheduler's limit is what keeps a site from holding what it has.
func (e *engine) limited(s *site) bool {
	limit, limited := e.limits[s.cluster.Name]
	_, most := e.placement.bound(s.cluster)
	return limited && limit < s.was && s.was <= most
}

// targets is what the sites got, as it is written to the binding. Scaled to 0, the template's objects stay where they
// are, or, for a new template, go wherever it may: so scaling to 0 and back neither deletes nor creates anything.
func (e *engine) targets() []v1alpha1.TargetCluster {
	targets := make([]v1alpha1.TargetCluster, 0, 8)
	idle := e.placement.strategy.divides() && e.replicas == 0
	anywhere := idle && !slices.ContainsFunc(e.sites, func(s site) bool { return s.selected && s.target })
	for i := range e.sites {
		s := &e.sites[i]
		switch {
		case !e.placement.strategy.divides() && s.selected:
			targets = append(targets, e.target(s))
		case s.share > 0, idle && s.selected && (s.target || anywhere):
			targets = append(targets, v1alpha1.TargetCluster{Name: s.cluster.Name, Replicas: ptr.To(s.share)})
		}
	}
	return targets
}

// target is a cluster that has the template as it is.
func (e *engine) target(s *site) v1alpha1.TargetCluster {
	target := v1alpha1.TargetCluster{Name: s.cluster.Name}
	if replicas := e.in.Binding.Replicas; replicas != nil {
		target.Replicas = ptr.To(*replicas)
	}
	for _, component := range e.in.Binding.Components {
		target.Components = append(target.Components, v1alpha1.TargetComponent{Name: component.Name, Replicas: component.Replicas})
	}
	return target
}

func sameTargets(a, b []v1alpha1.TargetCluster) bool {
	if len(a) != len(b) {
		return false
	}
	old := make(map[string]*int32, len(b))
	for i := range b {
		old[b[i].Name] = b[i].Replicas
	}
	for i := range a {
		replicas, found := old[a[i].Name]
		if !found || !ptr.Equal(replicas, a[i].Replicas) {
			return false
		}
	}
	return true
}

// finish completes the verdicts with what the clusters got.
func (e *engine) finish(d *Decision) {
	got := make(map[string]*int32, len(d.Clusters))
	for i := range d.Clusters {
		got[d.Clusters[i].Name] = d.Clusters[i].Replicas
	}
	d.Verdicts = make([]Verdict, len(e.sites))
	for i := range e.sites {
		s := &e.sites[i]
		v := &s.verdict
		replicas, chosen := got[s.cluster.Name]
		switch {
		case chosen || v.Reason != VerdictSelected:
		case !s.selected:
			v.Reason, v.Message = VerdictNotSpread, "was not needed for the spread constraints, or would have broken a maximum"
		default:
			v.Reason, v.Message = VerdictNoShare, "has a share of 0 replicas"
		}
		e.remember(s, replicas)
		d.Verdicts[i] = *v
	}
}

// remember completes a verdict with the numbers before and now, and with what would have to change.
func (e *engine) remember(s *site, replicas *int32) {
	if s.target && e.in.Binding.Replicas != nil {
		s.verdict.Was = ptr.To(s.was)
	}
	s.verdict.Replicas, s.verdict.Hint = replicas, hints[s.verdict.Reason]
	s.verdict.Full = s.full
}

// whyNot is why a site was turned away.
func whyNot(s *site) string { return s.verdict.Message }

// whyNoMore is why a site takes no more than it got.
func (e *engine) whyNoMore(s *site) string {
	if !s.fits || s.verdict.Reason != VerdictSelected {
		return s.verdict.Message
	}
	_, message := e.fullness(s)
	return message
}

// fullness says why a site that fits takes nothing more.
func (e *engine) fullness(s *site) (reason, message string) {
	_, most := e.placement.bound(s.cluster)
	limit, limited := e.limits[s.cluster.Name]
	switch {
	case s.taint != nil && s.ceiling == s.was:
		return VerdictUntoleratedTaint, "had an untolerated taint {" + taintText(s.taint) + "}"
	case s.ceiling == most:
		return VerdictBound, "had its maxReplicas"
	case limited && s.ceiling == limit:
		return VerdictBound, "had pods that found no node, and gets no more for a while"
	case e.in.Room[s.cluster.Name].Shortage != "":
		return VerdictNoRoom, "had " + e.in.Room[s.cluster.Name].Shortage
	default:
		return VerdictNoRoom, "had no room"
	}
}

// keep stays with the old placement, because no new one can be found. A cluster that is gone or going is left
// all the same: nothing can be kept there. Replicas still follow the template, so that scaling works while a
// placement is wrong: divided ones in the proportion that they have, so that nothing moves.
func (e *engine) keep(reason, message string) Decision {
	d := Decision{Reason: reason, Message: message, Group: e.in.Memory.Group, Memory: e.in.Memory}
	var staying []*site
	held := false
	for i := range e.sites {
		if s := &e.sites[i]; s.stays() {
			staying = append(staying, s)
			held = held || s.was > 0
		}
	}
	if len(staying) < len(e.in.Binding.Clusters) {
		d.Trigger = TriggerClusterGone
	}
	if e.in.Binding.Replicas != nil && e.in.Binding.Placement.Divides() && len(e.in.Binding.Components) <= 1 {
		d.Clusters = e.inProportion(staying, held)
		d.Pending = e.replicas - replicasOf(d.Clusters)
	} else {
		for _, s := range staying {
			d.Clusters = append(d.Clusters, e.target(s))
		}
	}
	if e.placement != nil { // otherwise nobody was looked at
		e.finish(&d)
	}
	return d
}

// replicasOf adds up shares of the template's replicas.
func replicasOf(targets []v1alpha1.TargetCluster) (total int32) {
	for i := range targets {
		total += ptr.Deref(targets[i].Replicas, 0)
	}
	return total
}

// inProportion divides the template's replicas as they were divided before, equally when nobody had any.
func (e *engine) inProportion(sites []*site, held bool) (targets []v1alpha1.TargetCluster) {
	candidates := make([]division.Candidate, len(sites))
	for i, s := range sites {
		candidates[i] = division.Candidate{Name: s.cluster.Name, Weight: int64(s.was)}
		if !held {
			candidates[i].Weight = 1
		}
	}
	for i, share := range division.Divide(e.replicas, candidates, string(e.in.Binding.Resource.UID)) {
		if share > 0 || e.replicas == 0 {
			targets = append(targets, v1alpha1.TargetCluster{Name: sites[i].cluster.Name, Replicas: ptr.To(share)})
		}
	}
	return targets
}

// maxCauses bounds how many different causes a message lists. Every cluster may have a taint of its own.
const maxCauses = 8

// sumUp sums the verdicts up in the way of the Kubernetes scheduler: "0/3 clusters fit: 2 did not match the affinity,
// 1 had an untolerated taint {k=v:NoSchedule}". The most frequent cause comes first.
func sumUp(what string, sites []site, why func(*site) string) string {
	if len(sites) == 0 {
		return "0/0 clusters " + what + ": no cluster has joined"
	}
	counts := map[string]int{}
	for i := range sites {
		counts[why(&sites[i])]++
	}
	causes := make([]string, 0, len(counts))
	for cause := range counts {
		causes = append(causes, cause)
	}
	slices.SortFunc(causes, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	var text strings.Builder
	fmt.Fprintf(&text, "0/%d clusters %s: ", len(sites), what)
	for i, cause := range causes {
		if i == maxCauses {
			fmt.Fprintf(&text, ", and %d more causes", len(causes)-maxCauses)
			break
		}
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%d %s", counts[cause], cause)
	}
	return text.String()
}
