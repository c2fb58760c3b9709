package interpreter

import (
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// Health judges a member's object: Healthy when it does what its spec asks for, Unhealthy when it does not,
// or not yet. An object that is being deleted is Unhealthy, one that cannot be judged, or none at all, is
// Unknown.
func (i *Interpreter) Health(obj *unstructured.Unstructured) v1alpha1.Health {
	judgement, _ := i.Judge(obj) // what is taught keeps its errors, and its ResourceInterpreter shows them
	return judgement
}

// Judge is Health, with the error of the ResourceInterpreter that teaches the kind.
func (i *Interpreter) Judge(obj *unstructured.Unstructured) (v1alpha1.Health, error) {
	if obj == nil {
		return v1alpha1.HealthUnknown, nil
	}
	if obj.GetDeletionTimestamp() != nil {
		return v1alpha1.Unhealthy, nil
	}
	if m := i.meaning(obj, taught.Health); m != nil {
		return m.Health(obj)
	}
	if judge, known := i.health[kindOf(obj)]; known {
		return judge(obj), nil
	}
	return conventionalHealth(obj), nil
}

func nativeHealth() map[schema.GroupKind]func(*unstructured.Unstructured) v1alpha1.Health {
	judges := map[schema.GroupKind]func(*unstructured.Unstructured) v1alpha1.Health{
		autoscaler.GroupKind(): autoscalerHealth,
		budget.GroupKind():     budgetHealth,
		ingress:                ingressHealth,
		volumeClaim:            claimHealth,

		deployment:  deploymentHealth,
		statefulSet: statefulSetHealth,
		replicaSet:  replicaSetHealth,
		daemonSet:   daemonSetHealth,
		job:         jobHealth,
		cronJob:     cronJobHealth,
		pod:         podHealth,
		service:     serviceHealth,
	}
	for _, route := range routes {
		judges[route] = routeHealth
	}
	return judges
}

// conventionalHealth judges by what most controllers agree on: observedGeneration and the conditions
// Ready, Reconciling and Stalled. An object without any of them, such as a ConfigMap, is healthy.
func conventionalHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	result, err := status.Compute(obj)
	if err != nil {
		return v1alpha1.HealthUnknown
	}
	switch result.Status {
	case status.CurrentStatus:
		return v1alpha1.Healthy
	case status.InProgressStatus, status.FailedStatus, status.TerminatingStatus:
		return v1alpha1.Unhealthy
	default:
		return v1alpha1.HealthUnknown
	}
}

func verdict(healthy bool) v1alpha1.Health {
	if healthy {
		return v1alpha1.Healthy
	}
	return v1alpha1.Unhealthy
}

func deploymentHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	want := numberOr(1, obj.Object, "spec", "replicas")
	return verdict(observed(obj) &&
		number(obj.Object, "status", "updatedReplicas") >= want &&
		number(obj.Object, "status", "availableReplicas") >= want)
}

func replicaSetHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	want := numberOr(1, obj.Object, "spec", "replicas")
	return verdict(observed(obj) && number(obj.Object, "status", "availableReplicas") >= want)
}

// statefulSetHealth asks for updated pods only as far as the update strategy lets the controller update.
func statefulSetHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	want := numberOr(1, obj.Object, "spec", "replicas")
	updated := want - number(obj.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
	if text(obj.Object, "spec", "updateStrategy", "type") == "OnDelete" {
		updated = 0
	}
	return verdict(observed(obj) &&
		number(obj.Object, "status", "updatedReplicas") >= updated &&
		number(obj.Object, "status", "availableReplicas") >= want)
}

// daemonSetHealth takes a DaemonSet without a matching node for healthy: there is nothing to run.
func daemonSetHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	want := number(obj.Object, "status", "desiredNumberScheduled")
	updated := want
	if text(obj.Object, "spec", "updateStrategy", "type") == "OnDelete" {
		updated = 0
	}
	return verdict(observed(obj) &&
		number(obj.Object, "status", "updatedNumberScheduled") >= updated &&
		number(obj.Object, "status", "numberAvailable") >= want)
}

// jobHealth takes a Job that still works for healthy: it may take its time.
func jobHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	return verdict(!conditionIs(statusOf(obj), "Failed", "True") && !conditionIs(statusOf(obj), "FailureTarget", "True"))
}

func cronJobHealth(*unstructured.Unstructured) v1alpha1.Health { return v1alpha1.Healthy }

func podHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	switch text(obj.Object, "status", "phase") {
	case "Succeeded":
		return v1alpha1.Healthy
	case "Running":
		return verdict(conditionIs(statusOf(obj), "Ready", "True"))
	default:
		return v1alpha1.Unhealthy
	}
}

// serviceHealth waits for the address of a load balancer. Other Services work as soon as they exist.
func serviceHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	if text(obj.Object, "spec", "type") != "LoadBalancer" {
		return v1alpha1.Healthy
	}
	return verdict(len(objects(obj.Object, "status", "loadBalancer", "ingress")) > 0)
}

// ingressHealth waits for an address, as serviceHealth does.
func ingressHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	return verdict(len(objects(obj.Object, "status", "loadBalancer", "ingress")) > 0)
}

func claimHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	return verdict(text(obj.Object, "status", "phase") == "Bound")
}

func budgetHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	return verdict(observed(obj) && number(obj.Object, "status", "currentHealthy") >= number(obj.Object, "status", "desiredHealthy"))
}

// autoscalerHealth takes an autoscaler that is switched off, by a target of no replicas, for healthy.
func autoscalerHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	for _, condition := range objects(obj.Object, "status", "conditions") {
		stuck := text(condition, "type") == "AbleToScale" || text(condition, "type") == "ScalingActive"
		if stuck && text(condition, "status") == "False" && text(condition, "reason") != "ScalingDisabled" {
			return v1alpha1.Unhealthy
		}
	}
	return v1alpha1.Healthy
}

// routeHealth asks each parent that the route names to have accepted it, with all that it refers to.
func routeHealth(obj *unstructured.Unstructured) v1alpha1.Health {
	parents := objects(obj.Object, "status", "parents")
	for _, parent := range parents {
		if !conditionIs(parent, "Accepted", "True") || conditionIs(parent, "ResolvedRefs", "False") {
			return v1alpha1.Unhealthy
		}
	}
	return verdict(len(parents) >= len(objects(obj.Object, "spec", "parentRefs")))
}
