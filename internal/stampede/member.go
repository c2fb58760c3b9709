package stampede

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	// GivenUp: the member is lost, and was judged before: it has an automatic taint that evicts. It tells nothing of what
	// happens to the fleet now.
	GivenUp Sight = "GivenUp"
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

// Members are what counts of clusters.
func Members(clusters []v1alpha1.Cluster) []Member {
	members := make([]Member, len(clusters))
	for i := range clusters {
		members[i] = MemberOf(&clusters[i])
	}
	return members
}

// MemberOf is what counts of a cluster.
func MemberOf(cluster *v1alpha1.Cluster) Member {
	return Member{Name: cluster.Name, Group: GroupOf(cluster), Sight: sightOf(cluster)}
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
	case evicted(cluster.Spec.Taints):
		return GivenUp
	}
	return Lost
}

func evicted(taints []corev1.Taint) bool {
	for i := range taints {
		if taints[i].Effect == corev1.TaintEffectNoExecute && v1alpha1.IsHealthTaint(taints[i].Key) {
			return true
		}
	}
	return false
}
