package placing

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// kinds says what kinds mean.
var kinds = interpreter.New()

// propose is what propagation would make of a template: the policy that governs it, as far as one does, and the fields
// of its binding that the scheduler looks at. current is its binding, nil for none. Nothing of what is given is changed.
func propose(template *unstructured.Unstructured, policies []v1alpha1.Policy, current v1alpha1.Binding) *subject {
	proposed := &subject{spec: &v1alpha1.BindingSpec{}}
	var claim *v1alpha1.PolicyReference
	if current != nil {
		proposed = subjectOf(current)
		claim = proposed.spec.Policy
	}
	spec := proposed.spec
	uid := spec.Resource.UID
	spec.Resource = referenceTo(template)
	if spec.Resource.UID == "" {
		spec.Resource.UID = uid // a file does not know it
	}
	ref, policy := policymatch.Choose(seenBy(template), policies, claim)
	spec.Policy = ref
	if policy != nil {
		says := policy.PropagationSpec()
		spec.Placement, spec.SchedulerName = says.Placement.DeepCopy(), says.SchedulerName
	}
	if replicas, requirements, err := kinds.Replicas(template); err == nil {
		spec.Replicas, spec.ReplicaRequirements = replicas, requirements
	}
	if components, err := kinds.Components(template); err == nil {
		spec.Components = components
	}
	spec.WorkloadAffinityGroups = policymatch.AffinityGroups(spec.Placement, template.GetLabels())
	return proposed
}
