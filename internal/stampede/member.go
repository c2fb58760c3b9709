package stampede

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/health"
)

// Sight is how the host sees a member.
type Sight string

// The sights.
const (
	// Fine: the member is Ready, and answered the last probe.
	Fine Sight = "Fine"
	// Lost: the member does not answer or is not healthy, if only since the last probe.
	Lost Sight = "Lost"
	// GivenUp: the member is lost, and was judged before: the manager itself has put a taint there that evicts. It tells nothing of what
	// happens to the fleet now.
	GivenUp Sight = "GivenUp"
	// Unasked: this process has not asked the member yet. What its Cluster says is what another one saw, who knows when: it may be
	// lost.
	Unasked Sight = "Unasked"
	// Apart: the member tells nothing of the network between it and the host: it was never Ready, it is leaving, or it
	// cannot be used for a reason of its own, such as credentials that it refuses.
	Apart Sight = "Apart"
)

// Member is what counts of a member.
type Member struct {
	// Name of its Cluster.
	Name string
	// Group that it fails with: its provider and region.
	Group string
	// Sight of it.
	Sight Sight
}

// Sighting is what this process itself has seen of a member.
type Sighting struct {
	// Answers is true when the member answered the last time.
	Answers bool
	// AnswersSince is when this process first saw it answer, since it last did not; zero while it does not.
	AnswersSince time.Time
	// LostSince is when this process first saw it not answer, or not healthy, since it last was Ready or refused us; zero when it has not.
	LostSince time.Time
}

// Sightings are those of all members that this process has asked, by the UID of the Cluster. Nil stands for: the Clusters say what is
// so.
type Sightings map[types.UID]Sighting

// Lost says since when this process has known that a member is lost; false when it does not know it. Where the Clusters say what is so,
// it has always known.
func (s Sightings) Lost(cluster *v1alpha1.Cluster) (time.Time, bool) {
	if s == nil {
		return time.Time{}, true
	}
	since := s[cluster.UID].LostSince
	return since, !since.IsZero()
}

// Members are what counts of clusters.
func Members(clusters []v1alpha1.Cluster, seen Sightings) []Member {
	members := make([]Member, len(clusters))
	for i := range clusters {
		members[i] = MemberOf(&clusters[i], seen)
	}
	return members
}

// MemberOf is what counts of a cluster.
func MemberOf(cluster *v1alpha1.Cluster, seen Sightings) Member {
	sight := sightOf(cluster)
	if seen != nil && (sight == Fine || sight == Lost) {
		if own, asked := seen[cluster.UID]; !asked {
			sight = Unasked
		} else if !own.Answers {
			sight = Lost
		}
	}
	return Member{Name: cluster.Name, Group: GroupOf(cluster), Sight: sight}
}

// Answers says whether a member answered the last probe that its Cluster tells of.
func Answers(cluster *v1alpha1.Cluster) bool {
	return cluster.Status.Probe != nil && cluster.Status.Probe.Outcome == metav1.ConditionTrue
}

// GroupOf is the group that a cluster fails with: "provider/region"; "/" when neither is known.
func GroupOf(cluster *v1alpha1.Cluster) string {
	return cluster.Spec.Provider + "/" + cluster.Spec.Region
}

func sightOf(cluster *v1alpha1.Cluster) Sight {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	probe := cluster.Status.Probe
	switch {
	case ready == nil, !cluster.DeletionTimestamp.IsZero(), cluster.Status.KubernetesVersion == "":
		return Apart // without a version, nobody has ever answered
	case ready.Status == metav1.ConditionTrue && (probe == nil || probe.Outcome == metav1.ConditionTrue):
		return Fine
	case ready.Status == metav1.ConditionTrue:
		return Lost // not for long enough to say so in the condition, but the fleet must be judged now
	case !health.Outage(*ready):
		return Apart
	case cluster.GivenUp(cluster.OwnTaints()):
		return GivenUp
	}
	return Lost
}
