package interpreter

import (
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

type autoscalerScene = scene[autoscalingv2.HorizontalPodAutoscalerStatus]

// autoscalerStatus leaves a template of version 1 alone: its status cannot say what the conditions say, and the API server
// keeps those of all versions in one place.
func autoscalerStatus(template *unstructured.Unstructured, fleet Fleet) (map[string]any, bool) {
	if template.GroupVersionKind().Version == "v1" {
		return nil, false
	}
	return typed(aggregateAutoscaler)(template, fleet)
}

// aggregateAutoscaler says how many replicas the members' autoscalers want: each of them scales within the template's
// bounds, so that of several the one that is furthest up shows, unless they share the replicas.
func aggregateAutoscaler(s autoscalerScene) autoscalingv2.HorizontalPodAutoscalerStatus {
	status := autoscalingv2.HorizontalPodAutoscalerStatus{
		CurrentReplicas: held(s, func(m autoscalingv2.HorizontalPodAutoscalerStatus) int32 { return m.CurrentReplicas }),
		DesiredReplicas: held(s, func(m autoscalingv2.HorizontalPodAutoscalerStatus) int32 { return m.DesiredReplicas }),
	}
	if generation := s.generation(ptr.Deref(s.old.ObservedGeneration, 0)); generation > 0 {
		status.ObservedGeneration = &generation
	}
	for _, member := range s.members {
		status.LastScaleTime = later(status.LastScaleTime, member.LastScaleTime)
	}
	for _, conditionType := range []autoscalingv2.HorizontalPodAutoscalerConditionType{autoscalingv2.AbleToScale, autoscalingv2.ScalingActive, autoscalingv2.ScalingLimited} {
		status.Conditions = append(status.Conditions, autoscalerCondition(s, conditionType))
	}
	return status
}

// autoscalerCondition is as it should be when it is so in every member; Reflect keeps only those that are not.
func autoscalerCondition(s autoscalerScene, conditionType autoscalingv2.HorizontalPodAutoscalerConditionType) autoscalingv2.HorizontalPodAutoscalerCondition {
	condition := autoscalingv2.HorizontalPodAutoscalerCondition{Type: conditionType, Status: corev1.ConditionTrue,
		Reason: "AsExpected", Message: "It is so in every cluster.", LastTransitionTime: s.fleet.Now}
	if conditionType == autoscalingv2.ScalingLimited {
		condition.Status, condition.Message = corev1.ConditionFalse, "It is so in no cluster."
	}
	var said []string
	for i, member := range s.members {
		index := slices.IndexFunc(member.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool { return c.Type == conditionType })
		if index < 0 {
			continue
		}
		reported := member.Conditions[index]
		if len(said) == 0 {
			condition.Status, condition.Reason = reported.Status, reported.Reason
		}
		said = append(said, s.fleet.Members[i].Cluster+": "+reported.Message)
	}
	if len(said) > 0 {
		condition.Message = strings.Join(said, "; ")
	}
	for _, before := range s.old.Conditions {
		if before.Type == conditionType && before.Status == condition.Status {
			condition.LastTransitionTime = before.LastTransitionTime
		}
	}
	return condition
}

type budgetScene = scene[policyv1.PodDisruptionBudgetStatus]

// aggregateBudget adds up, or shows the member that has least to spare.
func aggregateBudget(s budgetScene) policyv1.PodDisruptionBudgetStatus {
	status := policyv1.PodDisruptionBudgetStatus{
		ObservedGeneration: s.generation(s.old.ObservedGeneration),
		DisruptionsAllowed: reached(s, func(m policyv1.PodDisruptionBudgetStatus) int32 { return m.DisruptionsAllowed }),
		CurrentHealthy:     reached(s, func(m policyv1.PodDisruptionBudgetStatus) int32 { return m.CurrentHealthy }),
		DesiredHealthy:     held(s, func(m policyv1.PodDisruptionBudgetStatus) int32 { return m.DesiredHealthy }),
		ExpectedPods:       held(s, func(m policyv1.PodDisruptionBudgetStatus) int32 { return m.ExpectedPods }),
		Conditions:         s.old.Conditions,
	}
	return status
}
