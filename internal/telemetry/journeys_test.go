package telemetry

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

var web = types.NamespacedName{Namespace: "shop", Name: "apps.deployment.web"}

// observed is what a histogram has seen of one series.
type observed struct {
	Count uint64
	Sum   float64
}

func read(t *testing.T, h *prometheus.HistogramVec, label string) observed {
	t.Helper()
	metric, ok := h.WithLabelValues(label).(prometheus.Metric)
	if !ok {
		t.Fatal("the histogram is no metric")
	}
	var m dto.Metric
	if err := metric.Write(&m); err != nil {
		t.Fatal(err)
	}
	return observed{m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()}
}

// measured is what all histograms have seen, by operation and stage.
func measured(t *testing.T) map[string]observed {
	t.Helper()
	all := map[string]observed{}
	for _, operation := range []string{operationCreate, operationUpdate} {
		all[operation] = read(t, propagationSeconds, operation)
	}
	for _, stage := range []string{stageBind, stageSchedule, stageApply} {
		all[stage] = read(t, stageSeconds, stage)
	}
	for name, o := range all {
		if o.Count == 0 {
			delete(all, name)
		}
	}
	return all
}

func TestAChangeIsTimedStageByStageUntilEveryMemberHoldsIt(t *testing.T) {
	members := []string{"member1", "member2"}
	arrive := func(cluster, version string, changed bool) func(*Journeys) {
		return func(j *Journeys) {
			j.Arrived(web, Arrival{Cluster: cluster, Version: version, Changed: changed, Targets: members})
		}
	}
	seen := func(version string) func(*Journeys) { return func(j *Journeys) { j.Seen(web, version) } }
	bound := func(created bool) func(*Journeys) { return func(j *Journeys) { j.Bound(web, created) } }
	scheduled := func(j *Journeys) { j.Scheduled(web) }
	tests := map[string]struct {
		steps []func(*Journeys) // a second apart
		want  map[string]observed
		left  int
	}{
		"a new template passes every stage": {
			steps: []func(*Journeys){seen("10"), bound(true), scheduled, arrive("member1", "10", true), arrive("member2", "10", true)},
			want: map[string]observed{
				stageBind: {1, 1}, stageSchedule: {1, 1}, stageApply: {2, 1 + 2}, operationCreate: {1, 4},
			},
		},
		"a new image needs neither a binding nor a decision": {
			steps: []func(*Journeys){seen("10"), arrive("member1", "10", true), arrive("member2", "11", true)},
			want:  map[string]observed{stageApply: {2, 1 + 2}, operationUpdate: {1, 2}},
		},
		"what a member did with an older version is no arrival": {
			steps: []func(*Journeys){seen("10"), arrive("member1", "9", true), arrive("member2", "10", true)},
			want:  map[string]observed{stageApply: {1, 2}},
			left:  1,
		},
		"a status that changes nothing in members is no change": {
			steps: []func(*Journeys){seen("10"), arrive("member1", "10", false), arrive("member2", "10", false)},
			want:  map[string]observed{},
		},
		"a change that one member need not get arrives all the same": {
			steps: []func(*Journeys){seen("10"), arrive("member1", "10", false), arrive("member2", "10", true)},
			want:  map[string]observed{stageApply: {1, 2}, operationUpdate: {1, 2}},
		},
		"a member is counted once": {
			steps: []func(*Journeys){seen("10"), arrive("member1", "10", true), arrive("member1", "11", true)},
			want:  map[string]observed{stageApply: {1, 1}},
			left:  1,
		},
		"a change that follows before the first has arrived is the same": {
			steps: []func(*Journeys){seen("10"), seen("11"), arrive("member1", "11", true), arrive("member2", "11", true)},
			want:  map[string]observed{stageApply: {2, 2 + 3}, operationUpdate: {1, 3}},
		},
		"what goes nowhere is not waited for": {
			steps: []func(*Journeys){seen("10"), func(j *Journeys) { j.Drop(web) }, bound(true)},
			want:  map[string]observed{},
		},
		"what was under way before this process is not timed": {
			steps: []func(*Journeys){bound(true), scheduled, arrive("member1", "10", true), arrive("member2", "10", true)},
			want:  map[string]observed{},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			propagationSeconds.Reset()
			stageSeconds.Reset()
			clock := clocktesting.NewFakeClock(time.Unix(0, 0))
			journeys := NewJourneys(clock)
			for _, step := range tc.steps {
				step(journeys)
				clock.Step(time.Second)
			}
			if diff := cmp.Diff(tc.want, measured(t)); diff != "" {
				t.Errorf("measured (-want +got):\n%s", diff)
			}
			if got := journeys.count(); got != tc.left {
				t.Errorf("%d are under way, want %d", got, tc.left)
			}
		})
	}
}

func TestAChangeThatDoesNotArriveIsOverdueAndForgotten(t *testing.T) {
	overdue.Reset()
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	journeys := NewJourneys(clock)
	journeys.Seen(web, "10")
	clock.Step(overdueAfter)
	if got := journeys.count(); got != 1 {
		t.Errorf("%d are under way when the time is just up, want 1", got)
	}
	clock.Step(time.Second)
	if got := journeys.count(); got != 0 {
		t.Errorf("%d are under way later, want 0", got)
	}
	var m dto.Metric
	if err := overdue.WithLabelValues().Write(&m); err != nil {
		t.Fatal(err)
	}
	if got := m.GetCounter().GetValue(); got != 1 {
		t.Errorf("%v are overdue, want 1", got)
	}
}

func TestNoMoreChangesAreKeptInMemoryThanTheLimit(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	journeys := NewJourneys(clock)
	journeys.limit = 2
	for _, name := range []string{"a", "b", "c"} {
		journeys.Seen(types.NamespacedName{Name: name}, "1")
	}
	if got := journeys.count(); got != 2 {
		t.Errorf("%d are under way, want 2", got)
	}
	clock.Step(overdueAfter + time.Second)
	journeys.Seen(types.NamespacedName{Name: "d"}, "1")
	if got := len(journeys.underWay); got != 1 {
		t.Errorf("%d are under way after the others were overdue, want 1", got)
	}
}

func TestWithoutARecordNothingIsTimed(t *testing.T) {
	var none *Journeys
	none.Seen(web, "1")
	none.Bound(web, true)
	none.Scheduled(web)
	none.Arrived(web, Arrival{})
	none.Drop(web)
}
