package telemetry

import (
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// BenchmarkJourney times a template on its way to three members. docs/metrics.md states what it costs.
func BenchmarkJourney(b *testing.B) {
	journeys := NewJourneys(nil)
	members := []string{"member1", "member2", "member3"}
	b.ReportAllocs()
	for b.Loop() {
		journeys.Seen(web, "10")
		journeys.Bound(web, true)
		journeys.Scheduled(web)
		for _, member := range members {
			journeys.Arrived(web, Arrival{Cluster: member, Version: "10", Changed: true, Targets: members})
		}
	}
}

// BenchmarkJourneysUnderWay shows by its bytes what a change costs that is under way, names included.
func BenchmarkJourneysUnderWay(b *testing.B) {
	journeys := NewJourneys(nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i%maxJourneys == 0 {
			clear(journeys.underWay)
		}
		journeys.Seen(types.NamespacedName{Namespace: "shop", Name: "deployment.web-" + strconv.Itoa(i)}, "10")
	}
}
