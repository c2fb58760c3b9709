package scheduling

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// The metrics. Reasons are those of the condition Scheduled, triggers those of package schedule.
var (
	decisions = telemetry.Counter("flotilla_scheduling_decisions_total",
		"Decisions where templates go, those that changed nothing included, by the reason of the condition Scheduled that they led to.", "reason")
	decisionSeconds = telemetry.Histogram("flotilla_scheduling_decision_duration_seconds",
		"How long decisions where templates go took, from the look at all clusters until the result, without writing it.",
		// The budget is 100 µs with 100 clusters and 1 ms with 1,000.
		[]float64{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1})
	placements = telemetry.Counter("flotilla_scheduling_placements_total",
		"Decisions that were written and changed where a template goes or with how many replicas, by what led to them, such as New, PlacementChanged, Eviction, or Other.", "trigger")
	waitingBindings = telemetry.NewReading("flotilla_scheduling_waiting_bindings",
		"Templates with replicas that have no room anywhere, so that they wait for more.")
	movesInProgress = telemetry.NewReading("flotilla_moves_in_progress",
		"Templates that are being moved: a cluster keeps its copy until what replaces it is ready.")
)

// otherTrigger stands for a decision that nothing in particular led to.
const otherTrigger = "Other"

func triggerLabel(trigger string) string {
	if trigger == "" {
		return otherTrigger
	}
	return trigger
}

// showState lets the metrics say what waits and what is being moved.
func (r *Reconciler) showState() {
	waitingBindings.From(func(show telemetry.Show) { show(float64(len(r.waiting.all()))) })
	movesInProgress.From(func(show telemetry.Show) { show(float64(r.moving.count())) })
}

// movingSet knows the bindings that are being moved. It is safe for concurrent use.
type movingSet struct {
	mu       sync.Mutex
	bindings map[types.NamespacedName]bool
}

func (m *movingSet) set(binding types.NamespacedName, moving bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if moving {
		m.bindings[binding] = true
	} else {
		delete(m.bindings, binding)
	}
}

func (m *movingSet) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.bindings)
}
