package interpreter

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// Reflect is the part of a member's status that people and Aggregate need. It shares no memory with the
// object. What changes without saying anything, such as the times of conditions, is left out: every change
// of it would be a write to the host. upToDate is true when the member's controller has seen the newest
// generation of its object, or when the kind does not tell.
func (i *Interpreter) Reflect(obj *unstructured.Unstructured) (status map[string]any, upToDate bool) {
	whole := statusOf(obj)
	_, tells := whole["observedGeneration"]
	if m := i.meaning(obj, taught.Status); m != nil {
		if status = m.Reflect(whole); len(status) == 0 {
			status = nil
		}
		return status, !tells || observed(obj)
	}
	trim, known := i.reflect[kindOf(obj)]
	if !known {
		return deepCopy(whole), !tells || observed(obj)
	}
	switch kindOf(obj) {
	case deployment, statefulSet, daemonSet, replicaSet:
		tells = true
	}
	status = trim(whole)
	if len(status) == 0 {
		status = nil
	}
	return status, !tells || observed(obj)
}

func deepCopy(fields map[string]any) map[string]any {
	if len(fields) == 0 {
		return nil
	}
	return runtime.DeepCopyJSON(fields)
}

func nativeReflections() map[schema.GroupKind]func(map[string]any) map[string]any {
	reflections := map[schema.GroupKind]func(map[string]any) map[string]any{
		// What an autoscaler measures changes all the time, and is each member's own.
		autoscaler.GroupKind(): reflection{
			fields: []string{"observedGeneration", "currentReplicas", "desiredReplicas", "lastScaleTime"},
			normal: map[string]string{"AbleToScale": "True", "ScalingActive": "True", "ScalingLimited": "False"},
		}.of,
		budget.GroupKind(): reflection{
			fields: []string{"observedGeneration", "disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"},
		}.of,
		ingress:     reflection{fields: []string{"loadBalancer"}}.of,
		volumeClaim: reflection{fields: []string{"phase", "accessModes", "capacity"}}.of,

		deployment: reflection{
			fields: []string{"observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"},
			normal: map[string]string{"Available": "True", "Progressing": "True", "ReplicaFailure": "False"},
		}.of,
		statefulSet: reflection{
			fields: []string{"observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "currentReplicas", "currentRevision", "updateRevision"},
		}.of,
		daemonSet: reflection{
			fields: []string{"observedGeneration", "desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable", "numberUnavailable", "numberMisscheduled"},
		}.of,
		replicaSet: reflection{
			fields: []string{"observedGeneration", "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"},
			normal: map[string]string{"ReplicaFailure": "False"},
		}.of,
		job: reflection{
			fields: []string{"active", "ready", "terminating", "succeeded", "failed", "startTime", "completionTime"},
			normal: map[string]string{"Suspended": "False", "Failed": "False", "FailureTarget": "False"},
		}.of,
		cronJob: reflection{fields: []string{"active", "lastScheduleTime", "lastSuccessfulTime"}}.of,
		pod:     reflectPod,
		service: reflection{fields: []string{"loadBalancer"}}.of,
	}
	for _, route := range routes {
		reflections[route] = reflectRoute
	}
	return reflections
}

// reflection says what is kept of a kind's status: some fields, and the conditions that differ from their
// normal status.
type reflection struct {
	fields []string
	normal map[string]string
}

func (r reflection) of(whole map[string]any) map[string]any {
	kept := map[string]any{}
	for _, field := range r.fields {
		if value, found := whole[field]; found && value != nil {
			kept[field] = runtime.DeepCopyJSONValue(value)
		}
	}
	if conditions := r.telling(whole); len(conditions) > 0 {
		kept["conditions"] = conditions
	}
	return kept
}

func (r reflection) telling(whole map[string]any) []any {
	var kept []any
	for _, condition := range objects(whole, "conditions") {
		if len(r.normal) == 0 || r.normal[text(condition, "type")] == text(condition, "status") {
			continue
		}
		kept = append(kept, withoutTimes(condition))
	}
	return kept
}

func withoutTimes(condition map[string]any) map[string]any {
	kept := map[string]any{}
	for _, field := range []string{"type", "status", "reason", "message"} {
		if value := text(condition, field); value != "" {
			kept[field] = value
		}
	}
	return kept
}

// reflectPod keeps what kubectl shows of a Pod, without the addresses: they mean nothing outside of the
// member.
func reflectPod(whole map[string]any) map[string]any {
	kept := reflection{
		fields: []string{"phase", "reason", "message"},
		normal: map[string]string{"PodReadyToStartContainers": "True", "DisruptionTarget": "False"},
	}.of(whole)
	var containers []any
	for _, container := range objects(whole, "containerStatuses") {
		containers = append(containers, reflectContainer(container))
	}
	if len(containers) > 0 {
		kept["containerStatuses"] = containers
	}
	return kept
}

func reflectContainer(container map[string]any) map[string]any {
	kept := map[string]any{"name": text(container, "name"), "restartCount": number(container, "restartCount")}
	if ready, ok := container["ready"].(bool); ok {
		kept["ready"] = ready
	}
	state, _ := container["state"].(map[string]any)
	for _, name := range []string{"running", "waiting", "terminated"} {
		details, found := state[name].(map[string]any)
		if !found {
			continue
		}
		now := map[string]any{}
		if reason := text(details, "reason"); reason != "" {
			now["reason"] = reason
		}
		kept["state"] = map[string]any{name: now}
	}
	return kept
}
