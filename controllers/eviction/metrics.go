package eviction

import (
	"github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// The metrics. Reasons and outcomes are three each; groups are the pairs of provider and region that Clusters have.
var (
	evictions = telemetry.Counter("flotilla_evictions_total",
		"Evictions that began, by reason: TaintUntolerated, Drained or ApplicationFailure.", "reason")
	ended = telemetry.Counter("flotilla_evictions_ended_total",
		"Evictions that ended, by outcome: Done (the cluster was left), Withdrawn (it need not be left any more) or ClusterGone.", "outcome")
	waiting = telemetry.Gauge("flotilla_eviction_waiting",
		"Evictions that are due and may not begin yet, by the provider/region of the cluster to leave.", "group")
	guardState = telemetry.Gauge("flotilla_eviction_guard_state",
		"How fast clusters that are not well may be evicted, by their provider/region: 0 at the normal rate, 1 at the slow rate, 2 not at all.", "group")
)

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
