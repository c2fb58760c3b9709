package report

import (
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Report is what one member says about one binding. Reports are comparable, so that posting the same
// report again is no news.
type Report struct {
	// Applied is true when the member holds the current manifest.
	Applied bool
	// Gone is true when the member was asked and holds no object of this host for the binding.
	Gone bool
	// BindingGeneration is the generation of the binding that Gone speaks of; 0 for other reports, which
	// are no news when only the generation changes.
	BindingGeneration int64
	// Reason is one of the reasons of the condition Applied.
	Reason string
	// Message says more, for people.
	Message string
	// UpToDate is true when the member's own controllers have seen the current manifest, so that Status
	// speaks of it and not of an older one.
	UpToDate bool
	// TemplateGeneration is the generation of the template that the applied manifest was made from.
	TemplateGeneration int64
	// Health is the interpreter's verdict on the member's object.
	Health v1alpha1.Health
	// Ready is how many of the member's replicas are ready; Counted is false for kinds without replicas.
	Ready   int32
	Counted bool
	// Override names the override policy that failed, with the reason OverrideFailed; empty otherwise.
	Override string
	// Drift is the JSON of a list of api/v1alpha1.DriftedField, without the times; empty for none.
	Drift string
	// Status is the JSON of the member's status as the interpreter reflects it; empty for none.
	Status string
}

// Cleared says whether the member holds nothing because of a binding, as far as the report tells. About one that is being deleted it must
// have been asked since: its status does not change any more, and another member may keep it for long.
func (r Report) Cleared(b v1alpha1.Binding) bool {
	return r.Gone && (b.GetDeletionTimestamp() == nil || r.BindingGeneration >= b.GetGeneration())
}

// Standing is what reports are counted by.
type Standing struct {
	// Cluster that reported.
	Cluster string
	// Reason is the report's.
	Reason string
	// Health is the report's.
	Health v1alpha1.Health
}

// Board holds the last report of every member about every binding. It is safe for concurrent use.
type Board struct {
	mu        sync.RWMutex
	failing   map[types.NamespacedName]bool // the bindings for which an override failed when last asked
	reports   map[types.NamespacedName]map[string]Report
	tally     map[Standing]int // of the reports, but of those that an object is gone
	listeners []func(binding types.NamespacedName)
	leftovers map[string][]string // by member
	unlooked  map[string][]string // what of a member has not been looked at for that, if anything

	hearings         map[types.NamespacedName]map[string]hearing // of the members that were asked, or are to be
	doubtListeners   []func(binding types.NamespacedName, cluster string)
	hearingListeners []func()
}

// NewBoard makes an empty board.
func NewBoard() *Board {
	return &Board{
		reports: map[types.NamespacedName]map[string]Report{}, failing: map[types.NamespacedName]bool{}, tally: map[Standing]int{},
		hearings: map[types.NamespacedName]map[string]hearing{}, leftovers: map[string][]string{},
		unlooked: map[string][]string{},
	}
}

// OnChange calls f, from the poster's goroutine, whenever a report about a binding changes. f must not
// block. Register before anything is posted.
func (b *Board) OnChange(f func(binding types.NamespacedName)) {
	b.listeners = append(b.listeners, f)
}

// Post records what a member says. Listeners hear of it only when it differs from the last report.
func (b *Board) Post(binding types.NamespacedName, cluster string, r Report) {
	if b.put(binding, cluster, r) {
		b.tell(binding)
	}
}

func (b *Board) put(binding types.NamespacedName, cluster string, r Report) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	members := b.reports[binding]
	if members == nil {
		members = map[string]Report{}
		b.reports[binding] = members
	}
	old, known := members[cluster]
	members[cluster] = r
	b.update(binding, cluster, r)
	if known {
		b.count(cluster, old, -1)
	}
	b.count(cluster, r, 1)
	return !known || old != r
}

// count adds a report to the tally, or takes it out; the caller holds the lock.
func (b *Board) count(cluster string, r Report, n int) {
	if r.Gone {
		return
	}
	standing := Standing{Cluster: cluster, Reason: r.Reason, Health: r.Health}
	if b.tally[standing] += n; b.tally[standing] == 0 {
		delete(b.tally, standing)
	}
}

// Tally is a copy of how many reports there are of each standing. Reports that an object is gone do not count.
func (b *Board) Tally() map[Standing]int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return maps.Clone(b.tally)
}

// Remind tells the listeners of a binding whose reports are what they were, because something that they are read with has
// changed.
func (b *Board) Remind(binding types.NamespacedName) { b.tell(binding) }

// Reports is a copy of what every member said about a binding, by member.
func (b *Board) Reports(binding types.NamespacedName) map[string]Report {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return maps.Clone(b.reports[binding])
}

// OverrideTurned says whether an override policy fails for a binding in some member, or did so when last asked.
func (b *Board) OverrideTurned(binding types.NamespacedName) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	fails := false
	for _, r := range b.reports[binding] {
		fails = fails || r.Override != ""
	}
	failed := b.failing[binding]
	if fails {
		b.failing[binding] = true
	} else {
		delete(b.failing, binding)
	}
	return fails || failed
}

// ForgetBinding drops all reports about a binding that no longer exists.
func (b *Board) ForgetBinding(binding types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for cluster, r := range b.reports[binding] {
		b.count(cluster, r, -1)
	}
	delete(b.reports, binding)
	delete(b.failing, binding)
	delete(b.hearings, binding)
}

// ForgetMember drops all reports of a member that has left.
func (b *Board) ForgetMember(cluster string) {
	for _, binding := range b.dropMember(cluster) {
		b.tell(binding)
	}
}

func (b *Board) dropMember(cluster string) []types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, members := range b.hearings {
		delete(members, cluster)
	}
	delete(b.leftovers, cluster)
	delete(b.unlooked, cluster)
	var changed []types.NamespacedName
	for binding, members := range b.reports {
		if r, known := members[cluster]; known {
			b.count(cluster, r, -1)
			delete(members, cluster)
			changed = append(changed, binding)
		}
	}
	return changed
}

func (b *Board) tell(binding types.NamespacedName) {
	for _, f := range b.listeners {
		f(binding)
	}
}
