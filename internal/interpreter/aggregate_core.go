package interpreter

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// typedService aggregates load balancers only: other Services have no status.
func typedService(template *unstructured.Unstructured, fleet Fleet) (map[string]any, bool) {
	if text(template.Object, "spec", "type") != string(corev1.ServiceTypeLoadBalancer) {
		return nil, false
	}
	return typed(aggregateService)(template, fleet)
}

// aggregateService lists the addresses of every member's load balancer, each once.
func aggregateService(s scene[corev1.ServiceStatus]) corev1.ServiceStatus {
	status := corev1.ServiceStatus{Conditions: s.old.Conditions}
	seen := map[string]bool{}
	for _, member := range s.members {
		for _, ingress := range member.LoadBalancer.Ingress {
			address := ingress.IP + "/" + ingress.Hostname
			if seen[address] || address == "/" {
				continue
			}
			seen[address] = true
			if ingress.IP != "" && ingress.IPMode == nil {
				// Required from 1.29 on beside an IP; members before that do not say it and mean this.
				mode := corev1.LoadBalancerIPModeVIP
				ingress.IPMode = &mode
			}
			status.LoadBalancer.Ingress = append(status.LoadBalancer.Ingress, ingress)
		}
	}
	return status
}

// podPhases orders the phases from the one that most needs a look to the one that least does.
var podPhases = []corev1.PodPhase{corev1.PodFailed, corev1.PodUnknown, "", corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded}

type podScene = scene[corev1.PodStatus]

// aggregatePod shows the member that is worst off. What the API server does not let anyone change (the QoS
// class) or what means nothing outside of a member (addresses) stays as the host has it.
func aggregatePod(s podScene) corev1.PodStatus {
	status := s.old
	status.Conditions, status.ContainerStatuses, status.Reason, status.Message = nil, nil, "", ""
	if len(s.members) == 0 {
		status.Phase = corev1.PodPending
		return status
	}
	worst := slices.MinFunc(s.members, func(a, b corev1.PodStatus) int {
		return cmp.Compare(slices.Index(podPhases, a.Phase), slices.Index(podPhases, b.Phase))
	})
	status.Phase, status.Reason, status.Message = worst.Phase, worst.Reason, worst.Message
	if status.Phase == "" {
		status.Phase = corev1.PodPending
	}
	for _, conditionType := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		status.Conditions = append(status.Conditions, podCondition(s, conditionType))
	}
	status.ContainerStatuses = containerStatuses(s)
	return status
}

// podCondition is True when it is so in every member.
func podCondition(s podScene, conditionType corev1.PodConditionType) corev1.PodCondition {
	condition := corev1.PodCondition{Type: conditionType, Status: corev1.ConditionTrue, LastTransitionTime: s.fleet.Now}
	var lacking []string
	for i, member := range s.members {
		index := slices.IndexFunc(member.Conditions, func(c corev1.PodCondition) bool { return c.Type == conditionType })
		if index >= 0 && member.Conditions[index].Status == corev1.ConditionTrue {
			continue
		}
		lacking = append(lacking, s.fleet.Members[i].Cluster)
		if index >= 0 && condition.Reason == "" {
			condition.Reason = member.Conditions[index].Reason
		}
	}
	if len(lacking) > 0 {
		condition.Status, condition.Message = corev1.ConditionFalse, "not so in "+strings.Join(lacking, ", ")
	}
	for _, before := range s.old.Conditions {
		if before.Type == conditionType && before.Status == condition.Status {
			condition.LastTransitionTime = before.LastTransitionTime
		}
	}
	return condition
}

// containerStatuses counts a container as ready when it is so in every member, and adds up its restarts. It
// never says terminated: the API server would not let such a container run again.
func containerStatuses(s podScene) []corev1.ContainerStatus {
	var statuses []corev1.ContainerStatus
	for _, container := range objects(s.template.Object, "spec", "containers") {
		status := corev1.ContainerStatus{Name: text(container, "name"), Image: text(container, "image"), Ready: true}
		running := true
		for _, member := range s.members {
			index := slices.IndexFunc(member.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.Name == status.Name })
			if index < 0 {
				running, status.Ready = false, false
				continue
			}
			reported := member.ContainerStatuses[index]
			status.Ready = status.Ready && reported.Ready
			status.RestartCount += reported.RestartCount
			running = running && reported.State.Running != nil
			if reported.State.Waiting != nil && status.State.Waiting == nil {
				status.State.Waiting = &corev1.ContainerStateWaiting{Reason: reported.State.Waiting.Reason}
			}
		}
		if running && len(s.members) > 0 {
			status.State.Running = &corev1.ContainerStateRunning{}
		}
		statuses = append(statuses, status)
	}
	return statuses
}

// aggregateClaim is bound when every member's claim is, and as large as the smallest of them.
func aggregateClaim(s scene[corev1.PersistentVolumeClaimStatus]) corev1.PersistentVolumeClaimStatus {
	status := corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
	bound := len(s.members) > 0
	for _, member := range s.members {
		if member.Phase == corev1.ClaimLost {
			status.Phase = corev1.ClaimLost
		}
		bound = bound && member.Phase == corev1.ClaimBound
		if len(status.AccessModes) == 0 {
			status.AccessModes = member.AccessModes
		}
		size, known := member.Capacity[corev1.ResourceStorage]
		if least, found := status.Capacity[corev1.ResourceStorage]; known && (!found || size.Cmp(least) < 0) {
			status.Capacity = corev1.ResourceList{corev1.ResourceStorage: size}
		}
	}
	if bound {
		status.Phase = corev1.ClaimBound
	}
	return status
}
