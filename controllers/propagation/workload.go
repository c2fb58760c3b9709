package propagation

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

// maxMisread bounds what a condition quotes of an interpreter's error.
const maxMisread = 1024

// workload is what the interpreter makes of a template.
type workload struct {
	replicas     *int32
	requirements *v1alpha1.ReplicaRequirements
	components   []v1alpha1.Component
	err          error // nothing else counts then
}

func (r *Reconciler) interpret(template *unstructured.Unstructured) workload {
	replicas, requirements, err := r.interpreter.Replicas(template)
	if err != nil {
		return workload{err: err}
	}
	components, err := r.interpreter.Components(template)
	if err != nil {
		return workload{err: err}
	}
	return workload{replicas: replicas, requirements: requirements, components: components}
}

// describe adds what the interpreter says. Where it fails, what it said last stays. A template of which it never said
// anything stays on the host until it does: without a number, each cluster would get all of its replicas.
func (f facts) describe(spec *v1alpha1.BindingSpec) {
	if f.workload.err == nil {
		spec.Replicas, spec.ReplicaRequirements, spec.Components = f.workload.replicas, f.workload.requirements, f.workload.components
		return
	}
	held := f.current == nil
	if f.current != nil {
		last := f.current.BindingSpec()
		spec.Replicas, spec.ReplicaRequirements, spec.Components = last.Replicas, last.ReplicaRequirements, last.Components
		held = last.Suspension != nil && ptr.Deref(last.Suspension.Dispatching, false)
	}
	if !held {
		return
	}
	suspension := v1alpha1.BindingSuspension{}
	if spec.Suspension != nil {
		suspension = *spec.Suspension
	}
	suspension.Dispatching = ptr.To(true)
	spec.Suspension = &suspension
}

// interpreted is the condition of a binding whose template the interpreter cannot make sense of, nil for all others.
func interpreted(err error, have *metav1.Condition, now time.Time) *metav1.Condition {
	if err == nil {
		return nil
	}
	c := &metav1.Condition{
		Type: v1alpha1.ConditionInterpreted, Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(now),
		Reason: v1alpha1.ReasonEvaluationFailed, Message: conditions.Shorten(err.Error(), maxMisread),
	}
	if have != nil && have.Status == c.Status {
		c.LastTransitionTime = have.LastTransitionTime
	}
	return c
}
