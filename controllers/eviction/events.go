package eviction

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/eviction"
)

const (
	// evictingReason is the reason of the event on a template that is to leave a cluster.
	evictingReason = "Evicting"
	// stateLostReason is the reason of the event on a template whose old copy has state that could not be preserved.
	stateLostReason = "StateNotPreserved"
	// withdrawnReason is the reason of the event on a template that need not leave a cluster any more.
	withdrawnReason = "EvictionWithdrawn"
	// heldReason is the reason of the event on a Cluster from which nothing is evicted because the host may be cut off.
	heldReason = "EvictionHeld"
	// resumedReason is the reason of the event on a Cluster from which evictions go on.
	resumedReason = "EvictionResumed"
	// evictAction is what was being done when an event happened.
	evictAction = "Evict"
)

// tell tells, on the template, which is the object that the user knows, what has changed, and counts what began.
func (r *Reconciler) tell(change *eviction.Change) {
	template := change.Binding.BindingSpec().Resource.Core()
	for _, start := range change.Started {
		evictions.WithLabelValues(start.Task.Reason).Inc()
		from := taskReference(change.Binding, start.Task.FromCluster)
		r.event(template, from, corev1.EventTypeWarning, evictingReason, fmt.Sprintf("%s is to be left: %s", start.Task.FromCluster, start.Task.Message))
		if start.Lost != "" {
			r.event(template, from, corev1.EventTypeWarning, stateLostReason,
				fmt.Sprintf("what replaces the copy in %s does not get %s", start.Task.FromCluster, start.Lost))
		}
	}
	for _, end := range change.Ended {
		ended.WithLabelValues(string(end.Outcome)).Inc()
		if end.Outcome == eviction.Withdrawn {
			r.event(template, taskReference(change.Binding, end.Cluster), corev1.EventTypeNormal, withdrawnReason, fmt.Sprintf("%s need not be left any more (%s)", end.Cluster, end.Reason))
		}
	}
}

// tellGuard tells, on the Clusters, when the guard begins and ceases to hold evictions.
func (r *Reconciler) tellGuard(clusters []v1alpha1.Cluster, plan *eviction.Result) {
	held := sets.New(plan.Held...)
	for i := range clusters {
		before, now := r.held.Has(clusters[i].Name), held.Has(clusters[i].Name)
		switch {
		case now && !before:
			r.event(&clusters[i], nil, corev1.EventTypeWarning, heldReason, plan.Guard.Message)
		case before && !now && !plan.Guard.Held():
			r.event(&clusters[i], nil, corev1.EventTypeNormal, resumedReason, "the host sees enough clusters again")
		}
	}
	r.held = held
}

// taskReference tells the events about several tasks of one binding apart.
func taskReference(binding v1alpha1.Binding, cluster string) runtime.Object {
	reference := v1alpha1.EventReference(binding)
	reference.FieldPath = fmt.Sprintf("spec.gracefulEvictionTasks{%s}", cluster)
	return reference
}

// event sends an event; about is what else it is about, nil for nothing.
func (r *Reconciler) event(on, about runtime.Object, eventType, reason, note string) {
	r.events.Eventf(on, about, eventType, reason, evictAction, "%s", conditions.Shorten(note, conditions.MaxNote))
}
