package tainting

import (
	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/internal/taintplan"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

var (
	clustersSeen = telemetry.Gauge("flotilla_clusters",
		"Clusters, by how the host sees them: Fine, Lost, GivenUp (lost, and evicted), Unasked (by this manager, which has just begun) or Apart (tells nothing of the fleet).", "sight")
	evictionsHeld = telemetry.Gauge("flotilla_evictions_held",
		"1 while nothing is evicted because most clusters are lost at once, 0 otherwise.")
)

// measure shows the state of the fleet.
func measure(in taintplan.Input) {
	counts := map[stampede.Sight]int{}
	for _, member := range stampede.Members(in.Clusters, in.Sightings) {
		counts[member.Sight]++
	}
	for _, sight := range []stampede.Sight{stampede.Fine, stampede.Lost, stampede.GivenUp, stampede.Unasked, stampede.Apart} {
		clustersSeen.WithLabelValues(string(sight)).Set(float64(counts[sight]))
	}
	held := 0.0
	if in.Verdict.Held() {
		held = 1
	}
	evictionsHeld.WithLabelValues().Set(held)
}
