package interpreter

import (
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type jobScene = scene[batchv1.JobStatus]

// aggregateJob keeps the API server's rules for a Job's status: counters never decrease, the start is never
// changed, a finished Job stays finished and has no pods left, Complete comes with SuccessCriteriaMet and a
// completion time, Failed with FailureTarget. The fleet's Job is finished when every member's is, and has
// failed when any of them has.
func aggregateJob(s jobScene) batchv1.JobStatus {
	if jobIs(s.old, batchv1.JobComplete) || jobIs(s.old, batchv1.JobFailed) {
		return s.old
	}
	status := batchv1.JobStatus{
		StartTime: started(s),
		Active:    held(s, func(m batchv1.JobStatus) int32 { return m.Active }),
		Succeeded: max(s.old.Succeeded, reached(s, func(m batchv1.JobStatus) int32 { return m.Succeeded })),
		Failed:    max(s.old.Failed, held(s, func(m batchv1.JobStatus) int32 { return m.Failed })),
		// The host's own controller may have written this before the namespace became one of templates.
		UncountedTerminatedPods: s.old.UncountedTerminatedPods,
	}
	ready := min(status.Active, held(s, func(m batchv1.JobStatus) int32 {
		if m.Ready == nil {
			return 0
		}
		return *m.Ready
	}))
	if ready > 0 || s.old.Ready != nil {
		status.Ready = &ready
	}
	failed, finished := finishedMembers(s)
	switch {
	case !finished:
		status.Conditions = suspended(s)
	case len(failed) > 0:
		message := "The Job failed in " + strings.Join(failed, ", ") + "."
		finish(&status)
		status.Conditions = []batchv1.JobCondition{
			jobCondition(s, batchv1.JobFailureTarget, "MemberFailed", message),
			jobCondition(s, batchv1.JobFailed, "MemberFailed", message),
		}
	default:
		finish(&status)
		status.CompletionTime = completed(s, status.StartTime)
		status.Conditions = []batchv1.JobCondition{
			jobCondition(s, batchv1.JobSuccessCriteriaMet, batchv1.JobReasonCompletionsReached, "The Job is complete in every cluster."),
			jobCondition(s, batchv1.JobComplete, batchv1.JobReasonCompletionsReached, "The Job is complete in every cluster."),
		}
	}
	return status
}

// finishedMembers says in which clusters the Job failed, and whether it is finished in all of them, and none is to come.
func finishedMembers(s jobScene) (failed []string, finished bool) {
	finished = len(s.members) > 0 && started(s) != nil && !s.fleet.Pending
	for i, member := range s.members {
		switch {
		case !s.fleet.Members[i].UpToDate:
			finished = false
		case jobIs(member, batchv1.JobFailed):
			failed = append(failed, s.fleet.Members[i].Cluster)
		case !jobIs(member, batchv1.JobComplete):
			finished = false
		}
	}
	return failed, finished
}

func finish(status *batchv1.JobStatus) {
	none := int32(0)
	status.Active, status.Ready, status.UncountedTerminatedPods = 0, &none, nil
}

// started is the earliest start, once known for good: the API server lets nobody change it.
func started(s jobScene) *metav1.Time {
	if s.old.StartTime != nil {
		return s.old.StartTime
	}
	var earliest *metav1.Time
	for _, member := range s.members {
		if member.StartTime != nil && (earliest == nil || member.StartTime.Before(earliest)) {
			earliest = member.StartTime
		}
	}
	return earliest
}

// completed is the latest completion, and never before the start: members' clocks differ.
func completed(s jobScene, start *metav1.Time) *metav1.Time {
	latest := start
	for _, member := range s.members {
		if member.CompletionTime != nil && (latest == nil || latest.Before(member.CompletionTime)) {
			latest = member.CompletionTime
		}
	}
	return latest
}

// suspended is True while every member has suspended the Job, and False after it was.
func suspended(s jobScene) []batchv1.JobCondition {
	all := len(s.members) > 0
	for _, member := range s.members {
		all = all && jobIs(member, batchv1.JobSuspended)
	}
	was := slices.ContainsFunc(s.old.Conditions, func(c batchv1.JobCondition) bool { return c.Type == batchv1.JobSuspended })
	if !all && !was {
		return nil
	}
	condition := batchv1.JobCondition{Type: batchv1.JobSuspended, Status: corev1.ConditionFalse, Reason: "JobResumed",
		Message: "The Job runs.", LastProbeTime: s.fleet.Now, LastTransitionTime: s.fleet.Now}
	if all {
		condition.Status, condition.Reason, condition.Message = corev1.ConditionTrue, "JobSuspended", "The Job is suspended in every cluster."
	}
	for _, before := range s.old.Conditions {
		if before.Type == batchv1.JobSuspended && before.Status == condition.Status {
			condition.LastProbeTime, condition.LastTransitionTime = before.LastProbeTime, before.LastTransitionTime
		}
	}
	return []batchv1.JobCondition{condition}
}

func jobCondition(s jobScene, conditionType batchv1.JobConditionType, reason, message string) batchv1.JobCondition {
	return batchv1.JobCondition{Type: conditionType, Status: corev1.ConditionTrue, Reason: reason, Message: message,
		LastProbeTime: s.fleet.Now, LastTransitionTime: s.fleet.Now}
}

func jobIs(status batchv1.JobStatus, conditionType batchv1.JobConditionType) bool {
	return slices.ContainsFunc(status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == conditionType && c.Status == corev1.ConditionTrue
	})
}

// aggregateCronJob lists the Jobs that run anywhere and takes the latest times.
func aggregateCronJob(s scene[batchv1.CronJobStatus]) batchv1.CronJobStatus {
	var status batchv1.CronJobStatus
	for _, member := range s.members {
		status.Active = append(status.Active, member.Active...)
		status.LastScheduleTime = later(status.LastScheduleTime, member.LastScheduleTime)
		status.LastSuccessfulTime = later(status.LastSuccessfulTime, member.LastSuccessfulTime)
	}
	return status
}

func later(a, b *metav1.Time) *metav1.Time {
	if a == nil || (b != nil && a.Before(b)) {
		return b
	}
	return a
}
