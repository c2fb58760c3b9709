package placing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// answer says in one sentence where a template runs, and why not elsewhere. changed says that the rules now lead to
// another placement than the binding has.
func answer(e *Explanation, spec *v1alpha1.BindingSpec, changed bool) string {
	placed := whereText(spec.Clusters)
	switch d := e.Decision; {
	case d.Reason == v1alpha1.ReasonUnschedulable:
		return "Not all of it runs: " + sentence(d.Message+mostUseful(e.Clusters))
	case d.Reason == v1alpha1.ReasonLeaving:
		return "Some of it runs where it should not: " + sentence(d.Message+mostUseful(e.Clusters))
	case !d.Scheduled && len(spec.Clusters) == 0:
		return "It runs in no cluster because of " + d.Reason + ": " + sentence(d.Message+mostUseful(e.Clusters))
	case !d.Scheduled:
		return "It stays in " + placed + ", because no better placement is possible, " + d.Reason + ": " + sentence(d.Message+mostUseful(e.Clusters))
	case suspended(spec):
		return "It stays in " + orElse(placed, "no cluster") + " because scheduling is suspended."
	case changed:
		return "It is in " + orElse(placed, "no cluster") + " and the rules ask for another placement (" + orElse(d.Trigger, "a cluster fits that it should also be in") + "): wait for the scheduler, or look at the manager's log."
	}
	if trouble := troubleIn(e.Clusters); trouble != "" {
		return "It is placed in " + placed + ", but " + sentence(trouble)
	}
	return sentence("It runs where its placement wants it, in " + orElse(placed, "no cluster") + notIn(e.Clusters))
}

func sentence(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// whereText is "member1 (2) and member2 (3)".
func whereText(clusters []v1alpha1.TargetCluster) string {
	names := make([]string, len(clusters))
	for i, c := range clusters {
		names[i] = c.Name
		if c.Replicas != nil {
			names[i] += fmt.Sprintf(" (%d)", *c.Replicas)
		}
	}
	return listUp(names)
}

// troubleIn says what is wrong in the chosen clusters: those that do not hold the manifest come first.
func troubleIn(placements []ClusterPlacement) string {
	var unapplied, unhealthy, silent []string
	for _, p := range placements {
		switch {
		case !p.Chosen:
		case p.Applied == nil:
			silent = append(silent, p.Cluster)
		case !*p.Applied:
			unapplied = append(unapplied, fmt.Sprintf("%s does not hold it (%s)", p.Cluster, joinNonEmpty(": ", p.AppliedReason, p.AppliedMessage)))
		case p.Health != v1alpha1.Healthy:
			unhealthy = append(unhealthy, fmt.Sprintf("%s (%s)", p.Cluster, orElse(string(p.Health), string(v1alpha1.HealthUnknown))))
		}
	}
	switch {
	case len(unapplied) > 0:
		return listUp(unapplied)
	case len(silent) > 0:
		return listUp(silent) + " has not told of it yet"
	case len(unhealthy) > 0:
		return "it is not healthy in " + listUp(unhealthy)
	}
	return ""
}

func joinNonEmpty(separator string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), separator)
}

// mostCauses bounds how many causes the answer names; the table has them all.
const mostCauses = 3

// cause is why clusters do not get the template.
type cause struct {
	message, hint string
	clusters      []string
}

// causesOf groups the clusters that are not chosen by cause; the most frequent one comes first.
func causesOf(placements []ClusterPlacement) []cause {
	var causes []cause
	for _, p := range placements {
		if p.Chosen {
			continue
		}
		i := slices.IndexFunc(causes, func(c cause) bool { return c.message == p.Message })
		if i < 0 {
			i = len(causes)
			causes = append(causes, cause{message: p.Message, hint: p.Hint})
		}
		causes[i].clusters = append(causes[i].clusters, p.Cluster)
	}
	slices.SortStableFunc(causes, func(a, b cause) int { return len(b.clusters) - len(a.clusters) })
	return causes
}

// notIn says why clusters are not chosen, as the end of a sentence.
func notIn(placements []ClusterPlacement) string {
	causes := causesOf(placements)
	var text strings.Builder
	for i, c := range causes {
		if i == mostCauses {
			fmt.Fprintf(&text, "; see the table for the other %s", countText(int64(len(causes)-mostCauses), "cause"))
			break
		}
		fmt.Fprintf(&text, "; not in %s, which %s", listUp(c.clusters), c.message)
	}
	return text.String()
}

// mostUseful is what would change most, as the end of a sentence: more room in clusters that are full, or else what is
// between the template and most clusters.
func mostUseful(placements []ClusterPlacement) string {
	var full []string
	for _, p := range placements {
		if p.Chosen && p.Hint == moreRoomHint {
			full = append(full, p.Cluster)
		}
	}
	if len(full) > 0 {
		return "; for " + listUp(full) + ": " + moreRoomHint
	}
	for _, c := range causesOf(placements) {
		if c.hint != "" {
			return "; for " + listUp(c.clusters) + ": " + c.hint
		}
	}
	return ""
}

// whoRequires says where a template goes that is there because others need it.
func whoRequires(spec *v1alpha1.BindingSpec) string {
	var owners, clusters []string
	for _, owner := range spec.RequiredBy {
		owners = append(owners, owner.Name)
	}
	for _, target := range spec.Targets() {
		clusters = append(clusters, target.Name)
	}
	return "It goes to " + listUp(clusters) + ", where it is needed: its binding is required by " + listUp(owners) + "."
}

// whyNowhere says why a template that has nothing to decide runs nowhere.
func whyNowhere(f facts, checks []PolicyCheck) string {
	switch {
	case f.binding != nil && len(f.binding.BindingSpec().RequiredBy) > 0:
		return whoRequires(f.binding.BindingSpec())
	case f.binding != nil:
		return "It runs in no cluster because its binding has no placement: no policy has asked for it."
	case f.template == nil:
		return "It runs in no cluster because it does not exist."
	}
	if never := whyNever(seenBy(f.template)); never != "" {
		return "It is not propagated because " + never + "."
	}
	if len(checks) == 0 {
		return "It runs in no cluster because no policy could select it: create a PropagationPolicy in its namespace, or a ClusterPropagationPolicy."
	}
	if len(checks) == 1 {
		return "It runs in no cluster because no policy selects it: " + sentence(checks[0].text()+" "+checks[0].Reason)
	}
	return fmt.Sprintf("It runs in no cluster because none of the %d policies above selects it.", len(checks))
}
