package schedule

import (
	"fmt"
	"slices"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/clustermatch"
)

// group is an affinity group with its overflow tiers. A placement without clusterAffinities has one, without a name.
type group struct {
	name  string
	tiers []tier // the primary clusters first
}

// tier is a part of a group. The later ones take what the earlier ones have no room for.
type tier struct {
	name     string
	affinity clustermatch.Affinity
}

func compileGroups(p *v1alpha1.Placement) ([]group, error) {
	if len(p.ClusterAffinities) == 0 {
		compiled, err := clustermatch.Compile(p.ClusterAffinity, "placement.clusterAffinity")
		return []group{{tiers: []tier{{affinity: compiled}}}}, err
	}
	groups := make([]group, len(p.ClusterAffinities))
	for i := range p.ClusterAffinities {
		term := &p.ClusterAffinities[i]
		path := fmt.Sprintf("placement.clusterAffinities[%d]", i)
		primary, err := clustermatch.Compile(&term.ClusterAffinity, path)
		if err != nil {
			return nil, err
		}
		groups[i] = group{name: term.AffinityName, tiers: []tier{{name: term.AffinityName, affinity: primary}}}
		for j := range term.OverflowAffinities {
			overflow := &term.OverflowAffinities[j]
			compiled, err := clustermatch.Compile(&overflow.ClusterAffinity, fmt.Sprintf("%s.overflowAffinities[%d]", path, j))
			if err != nil {
				return nil, err
			}
			groups[i].tiers = append(groups[i].tiers, tier{name: overflow.AffinityName, affinity: compiled})
		}
	}
	return groups, nil
}

// tierOf is the first tier that selects a cluster; false when none does.
func (g *group) tierOf(cluster *v1alpha1.Cluster) (int, bool) {
	for i := range g.tiers {
		if g.tiers[i].affinity.Matches(cluster) {
			return i, true
		}
	}
	return 0, false
}

// order is in which order groups are tried: from the current one on, and then the earlier ones. A template thus
// stays in its group while that holds it, and is never lost because only an earlier group would do.
func (p *placement) order(current string) []int {
	start := max(slices.IndexFunc(p.groups, func(g group) bool { return g.name == current }), 0)
	order := make([]int, len(p.groups))
	for i := range order {
		order[i] = (start + i) % len(p.groups)
	}
	return order
}
