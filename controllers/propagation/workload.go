package propagation

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
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

// describe adds what the interpreter says. Where it fails, what it said last stays.
func (f facts) describe(spec *v1alpha1.BindingSpec) {
	switch {
	case f.workload.err == nil:
		spec.Replicas, spec.ReplicaRequirements, spec.Components = f.workload.replicas, f.workload.requirements, f.workload.components
	case f.current != nil:
		last := f.current.BindingSpec()
		spec.Replicas, spec.ReplicaRequirements, spec.Components = last.Replicas, last.ReplicaRequirements, last.Components
	}
}

// neverRead says whether the interpreter fails and never said anything of the template. Such a template stays on the host
// until it does: without a number, each cluster would get all of its replicas.
func (f facts) neverRead() bool {
	if f.workload.err == nil || f.current == nil {
		return f.workload.err != nil
	}
	last := f.current.BindingSpec()
	return last.Replicas == nil && last.ReplicaRequirements == nil && len(last.Components) == 0
}

// hold is a suspension that keeps the template on the host, or does not; nil when it suspends nothing.
func hold(suspension *v1alpha1.BindingSuspension, held bool) *v1alpha1.BindingSuspension {
	want := v1alpha1.BindingSuspension{}
	if suspension != nil {
		want = *suspension
	}
	want.Held = nil
	if held {
		want.Held = ptr.To(true)
	}
	if equality.Semantic.DeepEqual(want, v1alpha1.BindingSuspension{}) {
		return nil
	}
	return &want
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
