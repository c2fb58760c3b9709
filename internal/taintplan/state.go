package taintplan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/health"
)

// state is what becomes of a cluster that is not Ready.
type state struct {
	// key of its taints.
	key string
	// evict is true when the taint that evicts is due.
	evict bool
	// due is when it will be; zero when it is, or never will.
	due time.Time
	// reason and message of the condition Tainted.
	reason, message string
}

// judge says what becomes of a cluster; nil when it is Ready, or was never looked at.
func judge(in Input, cluster *v1alpha1.Cluster) *state {
	ready := readyOf(cluster)
	if ready == nil || ready.Status == metav1.ConditionTrue {
		return nil
	}
	s := &state{key: v1alpha1.NotReadyTaint}
	if ready.Status == metav1.ConditionUnknown || ready.Reason == v1alpha1.ReasonClusterNotReachable {
		s.key = v1alpha1.UnreachableTaint
	}
	due := ready.LastTransitionTime.Add(in.Delay)
	switch {
	case !health.Outage(*ready):
		s.reason, s.message = v1alpha1.ReasonStaysInUse, "what runs there runs on: "+ready.Reason+" does not say that it has failed"
	case !in.Failover:
		s.reason, s.message = v1alpha1.ReasonFailoverDisabled, "what runs there stays, because the feature gate Failover is off"
	case evicts(cluster, in.Owned[cluster.Name]) && in.Verdict.Held():
		s.evict, s.reason, s.message = true, v1alpha1.ReasonEvictionHeld, in.Verdict.Message
	case in.Verdict.Held():
		s.reason, s.message = v1alpha1.ReasonEvictionHeld, in.Verdict.Message
	case in.Now.Before(due) && !evicts(cluster, in.Owned[cluster.Name]):
		s.due = due
		s.reason, s.message = v1alpha1.ReasonEvictionPending, "what runs there is evicted from "+due.UTC().Format(time.RFC3339)+" on, unless the cluster returns"
	default:
		s.evict, s.reason, s.message = true, v1alpha1.ReasonEvicting, "what does not tolerate it is evicted"
	}
	return s
}

// evicts is true when the automatic taint that evicts is there.
func evicts(cluster *v1alpha1.Cluster, owned map[Key]bool) bool {
	return owned[Key{v1alpha1.NotReadyTaint, corev1.TaintEffectNoExecute}] && has(cluster, v1alpha1.NotReadyTaint) ||
		owned[Key{v1alpha1.UnreachableTaint, corev1.TaintEffectNoExecute}] && has(cluster, v1alpha1.UnreachableTaint)
}

func has(cluster *v1alpha1.Cluster, key string) bool {
	for i := range cluster.Spec.Taints {
		if t := &cluster.Spec.Taints[i]; t.Key == key && t.Effect == corev1.TaintEffectNoExecute {
			return true
		}
	}
	return false
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
