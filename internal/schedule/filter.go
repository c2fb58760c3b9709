package schedule

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/toleration"
)

// filter decides which sites may hold the template in a group, and gives the others their verdict: the first
// question that they fail.
func (e *engine) filter(g *group) {
	e.group = g
	for i := range e.sites {
		s := &e.sites[i]
		s.selected, s.share = false, 0
		reason, message := e.refusal(s, g)
		s.fits = reason == ""
		if s.fits {
			reason, message = VerdictSelected, "gets the template"
		}
		s.verdict = Verdict{Cluster: s.cluster.Name, Reason: reason, Message: message, Room: EndlessRoom}
		if s.fits {
			e.measure(s, g)
		}
	}
}

// refusal says why a site may not hold the template; the reason is empty when it may. What is there already is not
// driven away by a taint, by a discovery that failed in part, or by a neighbour that came later.
func (e *engine) refusal(s *site, g *group) (reason, message string) {
	c := s.cluster
	tier, matches := g.tierOf(c)
	s.tier = tier
	switch {
	case c.DeletionTimestamp != nil:
		return VerdictDeleting, "was being deleted"
	case c.Spec.SyncMode == v1alpha1.Pull:
		return VerdictSyncModeNotSupported, "had the syncMode Pull, which is not supported yet"
	case !matches:
		return VerdictAffinityMismatch, "did not match the affinity"
	case e.evicting[c.Name] != nil:
		return VerdictEvicting, "was to be left because of " + e.evicting[c.Name].Reason
	}
	if message := e.missingProperty(c); message != "" {
		return VerdictSpreadProperty, message
	}
	s.taint = untolerated(c, e.placement.tolerations)
	switch {
	case s.taint != nil && (!s.target || e.idle(s)):
		return VerdictUntoleratedTaint, "had an untolerated taint {" + taintText(s.taint) + "}"
	case s.target:
		return "", ""
	}
	if message := e.unserved(c); message != "" {
		return VerdictAPINotEnabled, message
	}
	return e.neighbourly(c.Name)
}

// idle says that a site has the template without a replica of it, while the template has some: there is nothing that a taint
// would drive away.
func (e *engine) idle(s *site) bool {
	return e.placement.strategy.divides() && s.was == 0 && e.replicas > 0
}

// measure says what a site that fits can take.
func (e *engine) measure(s *site, g *group) {
	s.verdict.Group, s.verdict.Tier = g.tiers[s.tier].name, s.tier
	s.weight = e.placement.weight(s.cluster)
	s.floor, s.ceiling = e.placement.bound(s.cluster)
	s.room = endless
	if e.placement.strategy.usesRoom() {
		if room, bounded := e.in.Room[s.cluster.Name]; bounded {
			s.room = max(room.Replicas, 0)
			s.verdict.Room = s.room
			s.ceiling = min(s.ceiling, addUp(s.was, s.room))
		}
		s.weight = int64(s.room)
	}
	if limit, limited := e.limits[s.cluster.Name]; limited {
		s.ceiling = min(s.ceiling, limit)
	}
	// A taint drives nothing away that is there, but what is added would run no better than what is new.
	if s.taint != nil {
		s.ceiling = min(s.ceiling, s.was)
	}
	s.floor = min(s.floor, s.ceiling)
	s.verdict.Weight = s.weight
}

// addUp adds without running over.
func addUp(a, b int32) int32 { return int32(min(int64(a)+int64(b), endless)) }

// neighbourly says whether the other templates of the workload affinity groups want the template here.
func (e *engine) neighbourly(cluster string) (reason, message string) {
	for _, n := range e.in.Neighbours.Together {
		if !slices.Contains(n.Clusters, cluster) {
			return VerdictWorkloadAffinity, "did not have " + n.Name + ", which the template must be together with"
		}
	}
	for _, n := range e.in.Neighbours.Apart {
		if slices.Contains(n.Clusters, cluster) {
			return VerdictWorkloadAntiAffinity, "had " + n.Name + ", which the template must be apart from"
		}
	}
	return "", ""
}

// untolerated is the first taint that keeps a template away; nil when none does.
func untolerated(c *v1alpha1.Cluster, tolerations []corev1.Toleration) *corev1.Taint {
	for i := range c.Spec.Taints {
		taint := &c.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if !toleration.Tolerated(taint, tolerations) {
			return taint
		}
	}
	return nil
}

func taintText(taint *corev1.Taint) string {
	if taint.Value == "" {
		return taint.Key + ":" + string(taint.Effect)
	}
	return taint.Key + "=" + taint.Value + ":" + string(taint.Effect)
}

// unserved says that a cluster does not serve the template's kind; empty when it does.
func (e *engine) unserved(c *v1alpha1.Cluster) string {
	switch {
	case serves(c.Status.APIEnablements, e.groupVersion, e.kind.Kind):
		return ""
	case len(c.Status.APIEnablements) == 0:
		return "had not told which APIs it serves"
	default:
		return e.unservedText
	}
}

func unservedText(gvk schema.GroupVersionKind) string {
	return "did not serve " + gvk.GroupVersion().String() + " " + gvk.Kind
}

func serves(enablements []v1alpha1.APIEnablement, groupVersion, kind string) bool {
	for i := range enablements {
		if enablements[i].GroupVersion != groupVersion {
			continue
		}
		return slices.ContainsFunc(enablements[i].Resources, func(r v1alpha1.APIResource) bool { return r.Kind == kind })
	}
	return false
}
