package interpreter

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// The reasons that the Deployment controller gives and that kubectl, kstatus and others look for.
const (
	minimumAvailable   = "MinimumReplicasAvailable"
	minimumUnavailable = "MinimumReplicasUnavailable"
	rolloutComplete    = "NewReplicaSetAvailable"
	rolloutUnderWay    = "ReplicaSetUpdated"
	deadlineExceeded   = "ProgressDeadlineExceeded"
)

type deploymentScene = scene[appsv1.DeploymentStatus]

// aggregateDeployment keeps the API server's rule that nothing is more than replicas and that what is
// available is ready. kubectl rollout status takes a Deployment for done when the generation is observed and
// replicas, updated and available are equal and not less than asked for.
func aggregateDeployment(s deploymentScene) appsv1.DeploymentStatus {
	status := appsv1.DeploymentStatus{
		ObservedGeneration: s.generation(s.old.ObservedGeneration),
		Replicas:           held(s, func(m appsv1.DeploymentStatus) int32 { return m.Replicas }),
		UpdatedReplicas:    reached(s, func(m appsv1.DeploymentStatus) int32 { return m.UpdatedReplicas }),
		ReadyReplicas:      reached(s, func(m appsv1.DeploymentStatus) int32 { return m.ReadyReplicas }),
		AvailableReplicas:  reached(s, func(m appsv1.DeploymentStatus) int32 { return m.AvailableReplicas }),
		CollisionCount:     s.old.CollisionCount,
	}
	status.Replicas = max(status.Replicas, status.UpdatedReplicas, status.ReadyReplicas)
	status.AvailableReplicas = min(status.AvailableReplicas, status.ReadyReplicas)
	status.UnavailableReplicas = max(s.replicas()-status.AvailableReplicas, 0)
	conditions := []appsv1.DeploymentCondition{availableCondition(s), progressingCondition(s, status)}
	if failing := clustersWith(s, appsv1.DeploymentReplicaFailure, corev1.ConditionTrue); len(failing) > 0 {
		conditions = append(conditions, appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue,
			Reason: "FailedCreate", Message: "Pods cannot be created in " + strings.Join(failing, ", ") + "."})
	}
	for _, condition := range conditions {
		status.Conditions = append(status.Conditions, timed(s, condition))
	}
	return status
}

// availableCondition says what the members' own conditions say: each of them knows its maxUnavailable. Reflect
// keeps the condition only while it is not True.
func availableCondition(s deploymentScene) appsv1.DeploymentCondition {
	lacking := clustersWith(s, appsv1.DeploymentAvailable, corev1.ConditionFalse)
	for i, member := range s.members {
		if len(s.fleet.Members[i].Status) == 0 || (s.replicas() > 0 && member.AvailableReplicas == 0) {
			lacking = appendOnce(lacking, s.fleet.Members[i].Cluster)
		}
	}
	condition := appsv1.DeploymentCondition{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue,
		Reason: minimumAvailable, Message: "Every cluster has the replicas that it needs at least."}
	switch {
	case len(s.members) == 0:
		condition.Status, condition.Reason, condition.Message = corev1.ConditionFalse, minimumUnavailable, "There is no target cluster."
	case len(lacking) > 0:
		condition.Status, condition.Reason = corev1.ConditionFalse, minimumUnavailable
		condition.Message = "Too few replicas are available in " + strings.Join(lacking, ", ") + "."
	}
	return condition
}

func progressingCondition(s deploymentScene, status appsv1.DeploymentStatus) appsv1.DeploymentCondition {
	condition := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue,
		Reason: rolloutUnderWay, Message: "The clusters are being brought up to date."}
	if stuck := clustersWith(s, appsv1.DeploymentProgressing, corev1.ConditionFalse); len(stuck) > 0 {
		condition.Status, condition.Reason = corev1.ConditionFalse, deadlineExceeded
		condition.Message = "The rollout has come to a stop in " + strings.Join(stuck, ", ") + "."
		return condition
	}
	done := status.ObservedGeneration == s.template.GetGeneration() && status.UpdatedReplicas >= s.replicas() &&
		status.Replicas == status.UpdatedReplicas && status.AvailableReplicas >= s.replicas()
	if done {
		condition.Reason, condition.Message = rolloutComplete, fmt.Sprintf("All replicas are up to date in %d clusters.", len(s.members))
	}
	return condition
}

// clustersWith are the members with a condition, which Reflect keeps only where it differs from normal.
func clustersWith(s deploymentScene, conditionType appsv1.DeploymentConditionType, status corev1.ConditionStatus) []string {
	var clusters []string
	for i, member := range s.members {
		for _, condition := range member.Conditions {
			if condition.Type == conditionType && condition.Status == status {
				clusters = append(clusters, s.fleet.Members[i].Cluster)
			}
		}
	}
	return clusters
}

func appendOnce(names []string, name string) []string {
	for _, known := range names {
		if known == name {
			return names
		}
	}
	return append(names, name)
}

// timed keeps the times of a condition that says what it said before.
func timed(s deploymentScene, condition appsv1.DeploymentCondition) appsv1.DeploymentCondition {
	condition.LastTransitionTime, condition.LastUpdateTime = s.fleet.Now, s.fleet.Now
	for _, before := range s.old.Conditions {
		if before.Type != condition.Type || before.Status != condition.Status {
			continue
		}
		condition.LastTransitionTime = before.LastTransitionTime
		if before.Reason == condition.Reason && before.Message == condition.Message {
			condition.LastUpdateTime = before.LastUpdateTime
		}
	}
	return condition
}

// aggregateStatefulSet names the revisions of a member that is still between two, as long as there is one:
// kubectl rollout status waits until both are the same.
func aggregateStatefulSet(s scene[appsv1.StatefulSetStatus]) appsv1.StatefulSetStatus {
	status := appsv1.StatefulSetStatus{
		ObservedGeneration: s.generation(s.old.ObservedGeneration),
		Replicas:           held(s, func(m appsv1.StatefulSetStatus) int32 { return m.Replicas }),
		ReadyReplicas:      reached(s, func(m appsv1.StatefulSetStatus) int32 { return m.ReadyReplicas }),
		AvailableReplicas:  reached(s, func(m appsv1.StatefulSetStatus) int32 { return m.AvailableReplicas }),
		CurrentReplicas:    reached(s, func(m appsv1.StatefulSetStatus) int32 { return m.CurrentReplicas }),
		UpdatedReplicas:    reached(s, func(m appsv1.StatefulSetStatus) int32 { return m.UpdatedReplicas }),
		CollisionCount:     s.old.CollisionCount,
	}
	status.Replicas = max(status.Replicas, status.ReadyReplicas, status.CurrentReplicas, status.UpdatedReplicas)
	status.AvailableReplicas = min(status.AvailableReplicas, status.ReadyReplicas)
	for _, member := range s.members {
		settled := status.CurrentRevision == status.UpdateRevision
		if member.UpdateRevision == "" || !settled {
			continue
		}
		if status.UpdateRevision == "" || member.CurrentRevision != member.UpdateRevision {
			status.CurrentRevision, status.UpdateRevision = member.CurrentRevision, member.UpdateRevision
		}
	}
	return status
}

// aggregateDaemonSet always adds up: what a DaemonSet asks for is in its status, where it counts nodes.
func aggregateDaemonSet(s scene[appsv1.DaemonSetStatus]) appsv1.DaemonSetStatus {
	return appsv1.DaemonSetStatus{
		ObservedGeneration:     s.generation(s.old.ObservedGeneration),
		DesiredNumberScheduled: total(s, func(m appsv1.DaemonSetStatus) int32 { return m.DesiredNumberScheduled }),
		CurrentNumberScheduled: total(s, func(m appsv1.DaemonSetStatus) int32 { return m.CurrentNumberScheduled }),
		UpdatedNumberScheduled: total(s, func(m appsv1.DaemonSetStatus) int32 { return m.UpdatedNumberScheduled }),
		NumberReady:            total(s, func(m appsv1.DaemonSetStatus) int32 { return m.NumberReady }),
		NumberAvailable:        total(s, func(m appsv1.DaemonSetStatus) int32 { return m.NumberAvailable }),
		NumberUnavailable:      total(s, func(m appsv1.DaemonSetStatus) int32 { return m.NumberUnavailable }),
		NumberMisscheduled:     total(s, func(m appsv1.DaemonSetStatus) int32 { return m.NumberMisscheduled }),
		CollisionCount:         s.old.CollisionCount,
	}
}

func aggregateReplicaSet(s scene[appsv1.ReplicaSetStatus]) appsv1.ReplicaSetStatus {
	status := appsv1.ReplicaSetStatus{
		ObservedGeneration:   s.generation(s.old.ObservedGeneration),
		Replicas:             held(s, func(m appsv1.ReplicaSetStatus) int32 { return m.Replicas }),
		FullyLabeledReplicas: reached(s, func(m appsv1.ReplicaSetStatus) int32 { return m.FullyLabeledReplicas }),
		ReadyReplicas:        reached(s, func(m appsv1.ReplicaSetStatus) int32 { return m.ReadyReplicas }),
		AvailableReplicas:    reached(s, func(m appsv1.ReplicaSetStatus) int32 { return m.AvailableReplicas }),
	}
	status.Replicas = max(status.Replicas, status.FullyLabeledReplicas, status.ReadyReplicas)
	status.AvailableReplicas = min(status.AvailableReplicas, status.ReadyReplicas)
	return status
}
