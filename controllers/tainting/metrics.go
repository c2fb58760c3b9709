package tainting

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/internal/taintplan"
)

var (
	clustersSeen = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "flotilla_clusters",
		Help: "Clusters, by how the host sees them: Fine, Lost, GivenUp (lost, and evicted), Unasked (by this manager, which has just begun) or Apart (tells nothing of the fleet).",
	}, []string{"sight"})
	evictionsHeld = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "flotilla_evictions_held",
		Help: "1 while nothing is evicted because most clusters are lost at once, 0 otherwise.",
	})
	registered sync.Once
)

func registerMetrics() {
	registered.Do(func() { metrics.Registry.MustRegister(clustersSeen, evictionsHeld) })
}

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
	evictionsHeld.Set(held)
}
