package interpreter

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Ready is how many of a member's replicas do their work, of an object whose health is known; counted is false for kinds
// without replicas. A kind that does not count them has all or none ready, as it is healthy or not.
func (i *Interpreter) Ready(obj *unstructured.Unstructured, health v1alpha1.Health) (ready int32, counted bool) {
	switch kindOf(obj) {
	case deployment, statefulSet, replicaSet:
		return *bounded(number(obj.Object, "status", "readyReplicas")), true
	}
	replicas, _, err := i.Replicas(obj)
	switch {
	case err != nil || replicas == nil:
		return 0, false
	case kindOf(obj) == job && !conditionIs(statusOf(obj), "Complete", "True"):
		return min(*bounded(number(obj.Object, "status", "ready") + number(obj.Object, "status", "succeeded")), *replicas), true
	case health != v1alpha1.Healthy:
		return 0, true
	}
	return *replicas, true
}
