package execution

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// The metrics. Actions and reasons are those of package applyplan, those of failures and states of the condition Applied.
var (
	changes = telemetry.Counter("flotilla_member_changes_total",
		"Objects that were written in members, by Cluster, action (Create, Update, Mark, Delete, Release) and why: Absent, ManifestChanged, Drifted (put back), "+
			"TakenOver, Adopted, Recalled, Unwanted, OtherBinding.",
		telemetry.ClusterLabel, "action", "reason")
	failures = telemetry.Counter("flotilla_member_failures_total",
		"Attempts to make a member hold what it should that failed, by Cluster and reason of the condition Applied, "+
			"such as ForeignObject, Forbidden, InvalidManifest, OverrideFailed or MemberUnreachable.",
		telemetry.ClusterLabel, "reason")
	objects = telemetry.NewReading("flotilla_objects",
		"Objects that should be in members, by Cluster, state (Applied, or the reason of the condition Applied why not) and health.",
		telemetry.ClusterLabel, "state", "health")
	leftOver = telemetry.NewReading("flotilla_leftover_objects",
		"Objects that members hold, that the host has forgotten because it was restored from a backup, and that it does not want, by Cluster. "+
			"They stay until somebody decides.",
		telemetry.ClusterLabel)
	queued = telemetry.NewReading("flotilla_member_queue_length",
		"Objects that wait for a member's workers, by Cluster.", telemetry.ClusterLabel)
)

// showState lets the metrics say what the members hold and what waits for them.
func (d *dispatcher) showState() {
	objects.From(func(show telemetry.Show) {
		for standing, n := range d.Board.Tally() {
			show(float64(n), standing.Cluster, standing.Reason, string(standing.Health))
		}
	})
	leftOver.From(func(show telemetry.Show) {
		for cluster, names := range d.Board.AllLeftovers() {
			show(float64(len(names)), cluster)
		}
	})
	queued.From(func(show telemetry.Show) {
		d.mu.RLock()
		defer d.mu.RUnlock()
		for name, w := range d.workers {
			show(float64(w.length()), name)
		}
	})
}

func (w *worker) countChange(d applyplan.Decision) {
	changes.WithLabelValues(w.member.Name, string(d.Action), string(d.Reason)).Inc()
}

// countFailure counts what a report says to have failed; waiting is no failure.
func (w *worker) countFailure(r report.Report) {
	switch r.Reason {
	case "", v1alpha1.ReasonApplied, v1alpha1.ReasonApplying, v1alpha1.ReasonRemovingOld, v1alpha1.ReasonRetained, v1alpha1.ReasonDispatchSuspended,
		v1alpha1.ReasonUnremembered:
		return
	}
	failures.WithLabelValues(w.member.Name, r.Reason).Inc()
}

// timeArrival says that the member holds what it should of a job, or what it is meant to keep for now.
func (w *worker) timeArrival(j job, changed bool) {
	targets := j.binding.BindingSpec().Targets()
	names := make([]string, len(targets))
	for i := range targets {
		names[i] = targets[i].Name
	}
	w.Journeys.Arrived(client.ObjectKeyFromObject(j.binding), telemetry.Arrival{
		Cluster: w.member.Name, Version: j.template.GetResourceVersion(), Changed: changed, Targets: names,
	})
}
