package rebalance

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// patience is how long the scheduler may take over one request. It decides within seconds also when it has thousands
// to decide about; one that is silent longer is another scheduler, or waits for something that may never come.
const patience = 5 * time.Minute

// target is one template of a request.
type target struct {
	workload v1alpha1.WorkloadReference
	binding  v1alpha1.Binding // the cache's own; nil: there is none
}

// outcome is what became of a target.
type outcome struct {
	workload v1alpha1.WorkloadReference
	result   v1alpha1.RebalanceResult
	reason   string
	// ask: the binding does not hold the request yet.
	ask bool
}

// judge says what became of a target of a request that began at start.
func judge(t target, start, now time.Time) outcome {
	o := outcome{workload: t.workload, result: v1alpha1.RebalanceFailed}
	if t.binding == nil || t.binding.GetDeletionTimestamp() != nil {
		o.reason = v1alpha1.ReasonBindingNotFound
		return o
	}
	spec := t.binding.BindingSpec()
	switch {
	case spec.Placement == nil:
		o.reason = v1alpha1.ReasonNoPlacement
	case obeyed(t.binding, start):
		o.result, o.reason = v1alpha1.RebalanceSuccessful, v1alpha1.ReasonRescheduled
	case suspended(t.binding):
		o.reason = v1alpha1.ReasonSchedulingSuspended
	case now.Sub(start) >= patience:
		o.reason = v1alpha1.ReasonNoAnswer
	default:
		o.result, o.reason = v1alpha1.RebalancePending, v1alpha1.ReasonRescheduleAsked
		o.ask = !since(spec.RescheduleTriggeredAt, start)
	}
	return o
}

// obeyed says whether the scheduler's last decision was made upon this request or a later one. A memory that cannot
// be read is none: the scheduler will write a new one.
func obeyed(b v1alpha1.Binding, start time.Time) bool {
	memory, err := schedule.ParseMemory(b.GetAnnotations()[v1alpha1.DecisionAnnotation])
	return err == nil && since(memory.Request, start)
}

// since says whether t is set and not before start, in whole seconds, as the API keeps times.
func since(t *metav1.Time, start time.Time) bool { return t != nil && t.Unix() >= start.Unix() }

// startOf is the start time of a new request: now in whole seconds, but later than that of the request before, so
// that the two can be told apart.
func startOf(before *metav1.Time, now time.Time) metav1.Time {
	start := now.Truncate(time.Second)
	if before != nil && start.Unix() <= before.Unix() {
		start = before.Add(time.Second).Truncate(time.Second)
	}
	return metav1.NewTime(start)
}

// begun is the status of a request that begins.
func begun(rebalancer *v1alpha1.WorkloadRebalancer, now time.Time) v1alpha1.WorkloadRebalancerStatus {
	start := startOf(rebalancer.Status.StartTime, now)
	status := v1alpha1.WorkloadRebalancerStatus{ObservedGeneration: rebalancer.Generation, StartTime: &start}
	return withConditions(status, rebalancer, v1alpha1.ReasonRescheduling, "the templates are being selected", now)
}

// refused is the status of a request that cannot be understood.
func refused(rebalancer *v1alpha1.WorkloadRebalancer, cause error, now time.Time) v1alpha1.WorkloadRebalancerStatus {
	status := v1alpha1.WorkloadRebalancerStatus{ObservedGeneration: rebalancer.Generation, StartTime: rebalancer.Status.StartTime}
	return withConditions(status, rebalancer, v1alpha1.ReasonInvalidSelector, "spec.selector.labelSelector: "+cause.Error(), now)
}

// progressed is the status of a request whose targets were judged.
func progressed(rebalancer *v1alpha1.WorkloadRebalancer, outcomes []outcome, now time.Time) v1alpha1.WorkloadRebalancerStatus {
	status := v1alpha1.WorkloadRebalancerStatus{
		ObservedGeneration: rebalancer.Generation, StartTime: rebalancer.Status.StartTime, Total: int32(len(outcomes)),
	}
	for _, o := range outcomes {
		switch o.result {
		case v1alpha1.RebalanceSuccessful:
			status.Done++
		case v1alpha1.RebalanceFailed:
			status.Failed++
		}
	}
	status.ObservedWorkloads = named(outcomes)
	pending := status.Total - status.Done - status.Failed
	if pending > 0 {
		message := fmt.Sprintf("%d of %d templates are waiting for the scheduler", pending, status.Total)
		return withConditions(status, rebalancer, v1alpha1.ReasonRescheduling, message, now)
	}
	status.FinishTime = ptr.To(metav1.NewTime(now))
	switch {
	case status.Total == 0:
		return withConditions(status, rebalancer, v1alpha1.ReasonNothingSelected, "no template is selected", now)
	case status.Failed > 0:
		message := fmt.Sprintf("%d of %d templates were not placed anew", status.Failed, status.Total)
		return withConditions(status, rebalancer, v1alpha1.ReasonSomeFailed, message, now)
	default:
		return withConditions(status, rebalancer, v1alpha1.ReasonAllRescheduled, fmt.Sprintf("%d templates were placed anew", status.Total), now)
	}
}

// rank orders results by how much they matter to people.
var rank = map[v1alpha1.RebalanceResult]int{v1alpha1.RebalanceFailed: 0, v1alpha1.RebalancePending: 1, v1alpha1.RebalanceSuccessful: 2}

// named are the outcomes as the status tells them, as many as it holds.
func named(outcomes []outcome) []v1alpha1.ObservedWorkload {
	sorted := slices.Clone(outcomes)
	slices.SortFunc(sorted, func(a, b outcome) int {
		return cmp.Or(
			rank[a.result]-rank[b.result],
			cmp.Compare(a.workload.Namespace, b.workload.Namespace),
			cmp.Compare(a.workload.Kind, b.workload.Kind),
			cmp.Compare(a.workload.Name, b.workload.Name),
			cmp.Compare(a.workload.APIVersion, b.workload.APIVersion),
		)
	})
	sorted = sorted[:min(len(sorted), v1alpha1.MaxObservedWorkloads)]
	var workloads []v1alpha1.ObservedWorkload
	for _, o := range sorted {
		workloads = append(workloads, v1alpha1.ObservedWorkload{Workload: o.workload, Result: o.result, Reason: o.reason})
	}
	return workloads
}

// withConditions adds the conditions Complete and Progressing: Rescheduling means that it goes on, InvalidSelector
// that it will never begin, and everything else that it is over.
func withConditions(
	status v1alpha1.WorkloadRebalancerStatus, rebalancer *v1alpha1.WorkloadRebalancer, reason, message string, now time.Time,
) v1alpha1.WorkloadRebalancerStatus {
	complete, progressing := metav1.ConditionTrue, metav1.ConditionFalse
	switch reason {
	case v1alpha1.ReasonRescheduling:
		complete, progressing = metav1.ConditionFalse, metav1.ConditionTrue
	case v1alpha1.ReasonInvalidSelector:
		complete = metav1.ConditionFalse
	}
	for _, c := range []metav1.Condition{
		{Type: v1alpha1.ConditionComplete, Status: complete}, {Type: v1alpha1.ConditionProgressing, Status: progressing},
	} {
		c.Reason, c.Message, c.ObservedGeneration, c.LastTransitionTime = reason, message, rebalancer.Generation, metav1.NewTime(now)
		status.Conditions = append(status.Conditions, conditions.Timed(rebalancer.Status.Conditions, c))
	}
	return status
}
