package taintplan

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/health"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

const (
	// cleaningLook is how often to look whether a cluster that is back is clean.
	cleaningLook = 500 * time.Millisecond
	// cleaningPatience is how long a cluster that is back may hold what was moved away until it is used again all the same: an
	// object that cannot be removed, such as one with a finalizer of its own, must not cost the fleet a cluster.
	cleaningPatience = 5 * time.Minute
)

// state is what becomes of a cluster that is not Ready, or not clean.
type state struct {
	// key of its taints.
	key string
	// evict is true when the taint that evicts is due.
	evict bool
	// next is when to judge again although nothing changes; zero for never.
	next time.Time
	// reason and message of the condition Tainted.
	reason, message string
}

// judge says what becomes of a cluster; nil when it is Ready and clean, or was never looked at.
func judge(in Input, cluster *v1alpha1.Cluster) *state {
	ready := readyOf(cluster)
	switch {
	case ready == nil:
		return nil
	case ready.Status == metav1.ConditionTrue:
		return clean(in, cluster, ready)
	}
	s := &state{key: v1alpha1.NotReadyTaint}
	if ready.Status == metav1.ConditionUnknown || ready.Reason == v1alpha1.ReasonClusterNotReachable {
		s.key = v1alpha1.UnreachableTaint
	}
	evicted := cluster.GivenUp(in.Owned[cluster.Name])
	switch {
	case !health.Outage(*ready):
		s.reason, s.message = v1alpha1.ReasonStaysInUse, "what runs there runs on: "+ready.Reason+" does not say that it has failed"
	case !in.Failover:
		s.reason, s.message = v1alpha1.ReasonFailoverDisabled, "what runs there stays, because the feature gate Failover is off"
	case in.Verdict.Held():
		s.evict, s.reason, s.message = evicted, v1alpha1.ReasonEvictionHeld, in.Verdict.Message
	case !evicted && s.pends(in, cluster, ready.LastTransitionTime.Time):
		s.reason = v1alpha1.ReasonEvictionPending
	default:
		s.evict, s.reason, s.message = true, v1alpha1.ReasonEvicting, "what does not tolerate it is evicted"
	}
	return s
}

// pends says whether it is too early to evict what is in a cluster that has been lost since a time, and tells why. The delay begins again
// for a process that begins to work, and after the host may have been cut off: what others saw of the cluster, and what was seen of it
// then, does not count.
func (s *state) pends(in Input, cluster *v1alpha1.Cluster, since time.Time) bool {
	known, lost := in.Sightings.Lost(cluster)
	for _, later := range []time.Time{known, in.HeldUntil} {
		if later.After(since) {
			since = later
		}
	}
	due := since.Add(in.Delay)
	switch {
	case stampede.Answers(cluster):
		s.message = "what runs there stays while the cluster answers"
	case !lost:
		s.message = "what runs there stays until this manager itself has asked the cluster"
	case in.Now.Before(due):
		s.next = due
		s.message = "what runs there is evicted from " + due.UTC().Format(time.RFC3339) + " on, unless the cluster returns"
	default:
		return false
	}
	return true
}

// clean says what becomes of a cluster that is Ready: until what was moved away meanwhile is removed there, it is not used again. What is
// left would take the room of what is placed, and run twice.
func clean(in Input, cluster *v1alpha1.Cluster, ready *metav1.Condition) *state {
	key, back := automatic(cluster, in.Owned[cluster.Name])
	left := in.Leftovers[cluster.Name]
	if !back || left == 0 || !in.Now.Before(ready.LastTransitionTime.Add(cleaningPatience)) {
		return nil
	}
	return &state{
		key: key, next: in.Now.Add(cleaningLook), reason: v1alpha1.ReasonCleaningUp,
		message: fmt.Sprintf("it is Ready, and still holds old copies of %d templates that were moved or deleted, which are being removed", left),
	}
}

// Returning is true when a cluster is Ready and has an automatic taint of Flotilla's own still.
func Returning(cluster *v1alpha1.Cluster, owned map[Key]bool) bool {
	ready := readyOf(cluster)
	_, tainted := automatic(cluster, owned)
	return tainted && ready != nil && ready.Status == metav1.ConditionTrue
}

// automatic is the key of an automatic taint that is there; false for none.
func automatic(cluster *v1alpha1.Cluster, owned map[Key]bool) (string, bool) {
	for i := range cluster.Spec.Taints {
		if t := &cluster.Spec.Taints[i]; v1alpha1.IsHealthTaint(t.Key) && owned[Key{Key: t.Key, Effect: t.Effect}] {
			return t.Key, true
		}
	}
	return "", false
}

// condition says it. The generation that it observed is that of the Ready condition: each taint makes a new one.
func (s *state) condition(cluster *v1alpha1.Cluster, now time.Time) *metav1.Condition {
	c := conditions.Timed(cluster.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionTainted, Status: metav1.ConditionTrue, Reason: s.reason,
		Message:            fmt.Sprintf("%s; nothing new is placed there; %s", s.key, s.message),
		LastTransitionTime: *stamp(now), ObservedGeneration: readyOf(cluster).ObservedGeneration,
	})
	return &c
}
