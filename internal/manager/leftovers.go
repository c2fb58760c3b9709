package manager

import (
	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/history"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// leftovers are what a member holds, and the host has forgotten and does not want. Nobody need look where the host can have forgotten nothing.
func (p parts) leftovers(cluster *v1alpha1.Cluster) report.Leftovers {
	said := p.board.Leftovers(cluster.Name)
	if p.memory == nil || remembersAll(p.memory.Gaps(), cluster) {
		said.Looked, said.Unlooked = true, nil
	}
	return said
}

// remembersAll says whether a host can have forgotten nothing that it wrote to a member: it has no gap, or only the one that the first lease of
// every installation begins with, and the Cluster is younger. An older one may be from before that lease was lost.
func remembersAll(gaps history.Gaps, cluster *v1alpha1.Cluster) bool {
	switch len(gaps) {
	case 0:
		return true
	case 1:
		return gaps[0].From.IsZero() && gaps[0].Ordered(cluster.CreationTimestamp.Time)
	}
	return false
}
