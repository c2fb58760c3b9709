package scheduling

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/handover"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// wantedStatus is the part of a binding's status that scheduling owns, after a decision about the given
// generation. moved is when the clusters were written, if that has not been told yet.
func wantedStatus(before v1alpha1.BindingStatus, d verdict, generation int64, moved, now time.Time) v1alpha1.BindingStatus {
	status := v1alpha1.BindingStatus{
		SchedulerObservedGeneration:   generation,
		SchedulerObservedAffinityName: d.Group,
		PendingReplicas:               d.Pending,
		LastScheduledTime:             before.LastScheduledTime,
		Conditions:                    []metav1.Condition{condition(before.Conditions, d.Decision, generation, now)},
	}
	// A template that has never moved says nothing of it.
	if d.plan.Moving() || meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionMoving) != nil {
		status.Conditions = append(status.Conditions, moving(before.Conditions, d.plan, generation, now))
	}
	switch {
	case !moved.IsZero():
		status.LastScheduledTime = &metav1.Time{Time: moved}
	case status.LastScheduledTime == nil && d.Scheduled():
		status.LastScheduledTime = &metav1.Time{Time: now}
	}
	return status
}

func condition(before []metav1.Condition, d schedule.Decision, generation int64, now time.Time) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionScheduled, Status: metav1.ConditionFalse, ObservedGeneration: generation,
		LastTransitionTime: metav1.NewTime(now), Reason: d.Reason, Message: conditions.Shorten(d.Message, conditions.MaxMessage),
	}
	if d.Scheduled() {
		c.Status = metav1.ConditionTrue
	}
	return conditions.Timed(before, c)
}

func moving(before []metav1.Condition, plan handover.Plan, generation int64, now time.Time) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionMoving, Status: metav1.ConditionFalse, ObservedGeneration: generation,
		LastTransitionTime: metav1.NewTime(now), Reason: plan.Reason, Message: plan.Message,
	}
	if plan.Moving() {
		c.Status = metav1.ConditionTrue
	}
	return conditions.Timed(before, c)
}

// sameStatus compares the fields that scheduling owns.
func sameStatus(before, want v1alpha1.BindingStatus) bool {
	for _, now := range want.Conditions {
		if old := meta.FindStatusCondition(before.Conditions, now.Type); old == nil || !equality.Semantic.DeepEqual(*old, now) {
			return false
		}
	}
	return before.SchedulerObservedGeneration == want.SchedulerObservedGeneration &&
		before.SchedulerObservedAffinityName == want.SchedulerObservedAffinityName &&
		before.PendingReplicas == want.PendingReplicas &&
		before.LastScheduledTime.Equal(want.LastScheduledTime)
}
