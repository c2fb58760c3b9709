package schedule

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/division"
)

// site is one cluster in one decision.
type site struct {
	cluster *v1alpha1.Cluster
	verdict Verdict
	// target says that the binding names the cluster now, with so many replicas.
	target bool
	was    int32
	// fits says that the cluster passed the filters, selected that it was chosen among those.
	fits, selected bool
	tier           int
	rank           int // how much the spread constraints should be met with it
	weight         int64
	room           int32 // free, endless when not bounded
	// floor and ceiling bound what the cluster gets. The ceiling is already bounded by the room.
	floor, ceiling int32
	// taint keeps more from coming to a site that fits because the template is there; nil when none does.
	taint *corev1.Taint
	// full says that in a group that was tried more room in it would have helped.
	full bool
	// share is what it gets.
	share int32
	tie   uint64
}

// newSites lays out what is known about every cluster, by name.
func newSites(in *Input) []site {
	clusters := in.Clusters
	byName := func(a, b *v1alpha1.Cluster) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(clusters, byName) {
		clusters = slices.Clone(clusters)
		slices.SortFunc(clusters, byName)
	}
	targets := make(map[string]int, len(in.Binding.Clusters))
	for i := range in.Binding.Clusters {
		targets[in.Binding.Clusters[i].Name] = i
	}
	salt := string(in.Binding.Resource.UID)
	sites := make([]site, len(clusters))
	for i, cluster := range clusters {
		s := &sites[i]
		s.cluster, s.tie = cluster, division.Tie(cluster.Name, salt)
		if index, found := targets[cluster.Name]; found {
			s.target = true
			if replicas := in.Binding.Clusters[index].Replicas; replicas != nil {
				s.was = *replicas
			}
		}
	}
	return sites
}

// stays says whether a target cluster is there to hold something.
func (s *site) stays() bool { return s.target && s.cluster.DeletionTimestamp == nil }

// ofTier lists the selected sites of a tier.
func ofTier(sites []site, tier int) []*site {
	var members []*site
	for i := range sites {
		if sites[i].selected && sites[i].tier == tier {
			members = append(members, &sites[i])
		}
	}
	return members
}
