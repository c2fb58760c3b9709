package telemetry

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
)

// The stages of a template's way, in order.
const (
	stageBind     = "bind"
	stageSchedule = "schedule"
	stageApply    = "apply"
)

const (
	operationCreate = "create"
	operationUpdate = "update"
)

const (
	// overdueAfter is when a change is no longer waited for. What takes that long waits for something else: a member that is
	// away, or a user.
	overdueAfter = 10 * time.Minute
	// maxJourneys bounds the memory of changes that are under way, to about 20 MB. Those beyond are not measured.
	maxJourneys = 50_000
)

// propagationBounds go from the 10 ms that a change takes at best to a minute; the objective of 100 ms is one of them.
var propagationBounds = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

var (
	propagationSeconds = Histogram("flotilla_propagation_duration_seconds",
		"How long changes of templates took from when the manager saw them until every member that the template goes to held them, by operation (create or update). "+
			"Changes that follow before the first has arrived count as one; changes that change nothing in members do not count.",
		propagationBounds, "operation")
	stageSeconds = Histogram("flotilla_propagation_stage_duration_seconds",
		"How long changes of templates took in each stage: bind until the binding was written, schedule from there until the decision was, "+
			"and apply from the stage before until a member held them, once for each member.",
		propagationBounds, "stage")
	underWay = NewReading("flotilla_propagations_in_flight",
		"Changes of templates that the manager has seen and that have not arrived in every member that the template goes to.")
	overdue = Counter("flotilla_propagations_overdue_total",
		"Changes of templates that had not arrived in every member ten minutes after they were seen, and are measured no longer.")
)

// Journeys times changes of templates on their way from the host to the members. It keeps them in memory only, so that measuring costs
// no write: what was under way when a manager took over is not measured. Its methods do nothing on nil. It is safe
// for concurrent use.
type Journeys struct {
	clock clock.PassiveClock
	limit int

	mu       sync.Mutex
	underWay map[types.NamespacedName]*journey
}

// journey is one change, by the name of the template's binding.
type journey struct {
	operation string
	version   string    // the template's resource version
	seen      time.Time // by the manager
	last      time.Time // when the last stage ended
	changed   bool      // something in a member
	arrived   map[string]bool
}

// NewJourneys makes an empty record and shows how many changes are under way. The clock is the real one when nil.
func NewJourneys(c clock.PassiveClock) *Journeys {
	if c == nil {
		c = clock.RealClock{}
	}
	j := &Journeys{clock: c, limit: maxJourneys, underWay: map[types.NamespacedName]*journey{}}
	underWay.From(func(show Show) { show(float64(j.count())) })
	// What exists from the beginning has a rate from the first change on.
	overdue.WithLabelValues()
	for _, operation := range []string{operationCreate, operationUpdate} {
		propagationSeconds.WithLabelValues(operation)
	}
	for _, stage := range []string{stageBind, stageSchedule, stageApply} {
		stageSeconds.WithLabelValues(stage)
	}
	return j
}

// Seen says that a template changed. One that is under way already goes on: the newer version counts as its arrival, too.
func (j *Journeys) Seen(binding types.NamespacedName, version string) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.underWay[binding]; known {
		return
	}
	if len(j.underWay) >= j.limit {
		j.dropOverdue()
		if len(j.underWay) >= j.limit {
			return
		}
	}
	now := j.clock.Now()
	j.underWay[binding] = &journey{operation: operationUpdate, version: version, seen: now, last: now, arrived: map[string]bool{}}
}

// Bound says that a template's binding was written; created that there was none before.
func (j *Journeys) Bound(binding types.NamespacedName, created bool) {
	j.pass(binding, stageBind, func(under *journey) {
		if created {
			under.operation = operationCreate
		}
	})
}

// Scheduled says that a decision was written.
func (j *Journeys) Scheduled(binding types.NamespacedName) {
	j.pass(binding, stageSchedule, func(*journey) {})
}

func (j *Journeys) pass(binding types.NamespacedName, stage string, note func(*journey)) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	under, known := j.underWay[binding]
	if !known {
		return
	}
	now := j.clock.Now()
	stageSeconds.WithLabelValues(stage).Observe(now.Sub(under.last).Seconds())
	under.last = now
	note(under)
}

// Arrival is what a member holds.
type Arrival struct {
	// Cluster is the member.
	Cluster string
	// Version is the resource version of the template that the member's manifest was made from.
	Version string
	// Changed is true when the member was written to, false when it held all that it should.
	Changed bool
	// Targets are all clusters that the template goes to.
	Targets []string
}

// Arrived says that a member holds a template's manifest.
func (j *Journeys) Arrived(binding types.NamespacedName, a Arrival) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	under, known := j.underWay[binding]
	if !known || older(a.Version, under.version) {
		return
	}
	now := j.clock.Now()
	if !under.arrived[a.Cluster] && a.Changed {
		stageSeconds.WithLabelValues(stageApply).Observe(now.Sub(under.last).Seconds())
	}
	under.arrived[a.Cluster], under.changed = true, under.changed || a.Changed
	for _, target := range a.Targets {
		if !under.arrived[target] {
			return
		}
	}
	if under.changed {
		propagationSeconds.WithLabelValues(under.operation).Observe(now.Sub(under.seen).Seconds())
	}
	delete(j.underWay, binding)
}

// Drop says that a change goes nowhere, or waits for a user.
func (j *Journeys) Drop(binding types.NamespacedName) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.underWay, binding)
}

// count drops what is overdue, so that a scrape keeps the memory small, and counts the rest.
func (j *Journeys) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dropOverdue()
	return len(j.underWay)
}

// dropOverdue is called with the lock.
func (j *Journeys) dropOverdue() {
	now := j.clock.Now()
	for binding, under := range j.underWay {
		if now.Sub(under.seen) > overdueAfter {
			overdue.WithLabelValues().Inc()
			delete(j.underWay, binding)
		}
	}
}

// older says whether a resource version is known to come before another. What cannot be compared is not.
func older(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}
