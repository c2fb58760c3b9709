package eviction

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// The metrics. Reasons are three; groups are the pairs of provider and region that Clusters have.
var (
	evictions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flotilla_evictions_total",
		Help: "Evictions that began, by reason: TaintUntolerated, Drained or ApplicationFailure.",
	}, []string{"reason"})
	waiting = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "flotilla_eviction_waiting",
		Help: "Evictions that are due and may not begin yet, by the provider/region of the cluster to leave.",
	}, []string{"group"})
	guardState = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "flotilla_eviction_guard_state",
		Help: "How fast clusters that are not well may be evicted, by their provider/region: 0 at the normal rate, 1 at the slow rate, 2 not at all.",
	}, []string{"group"})
)

func init() { metrics.Registry.MustRegister(evictions, waiting, guardState) }

// The values of guardState.
const (
	paceNormal = 0
	paceSlow   = 1
	paceNone   = 2
)

// observe sets the gauges. Groups that no cluster is in any more go.
func observe(plan *eviction.Result) {
	waiting.Reset()
	guardState.Reset()
	for group, n := range plan.Waiting {
		waiting.WithLabelValues(group).Set(float64(n))
	}
	for group, g := range plan.Guard.Groups {
		guardState.WithLabelValues(group).Set(pace(g.Reason))
	}
}

func pace(reason string) float64 {
	switch reason {
	case stampede.ReasonHostMayBeCutOff:
		return paceNone
	case stampede.ReasonManyLost:
		return paceSlow
	default:
		return paceNormal
	}
}
