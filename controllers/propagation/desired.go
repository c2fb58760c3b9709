package propagation

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// facts is what is known about one template when its binding is decided.
type facts struct {
	request  Request
	template *unstructured.Unstructured
	wrapper  string            // what the template is wrapped in; empty for a native one
	policies []v1alpha1.Policy // that can select the template
	current  v1alpha1.Binding  // nil: there is none
	workload workload          // from the interpreter
	classes  map[string]int32  // the values of the PriorityClasses that policies name
	// overrides are the names of the override policies that exist, as far as policies depend on any.
	overrides sets.Set[string]
}

// desired is what a template's binding should say.
type desired struct {
	// spec is without the fields that others own. It is nil when there should be no binding (yet), or when the binding is
	// another version's business.
	spec *v1alpha1.BindingSpec
	// activated identifies the content of the template with which a Lazy policy was taken over last; empty when the policy is
	// not Lazy.
	activated string
}

// decide is what the template's binding should say.
func decide(f facts) desired {
	template := policymatch.Of(f.request.GVK, f.template)
	var current *v1alpha1.BindingSpec
	var claim *v1alpha1.PolicyReference
	if f.current != nil {
		current = f.current.BindingSpec()
		claim = current.Policy
		if f.wrapper == "" && governedInAnotherVersion(template, f.policies, current) {
			return desired{}
		}
	}
	ref, policy := policymatch.Choose(template, f.policies, claim)
	switch {
	case policy != nil && missingOverride(policy.PropagationSpec(), f.overrides) != "":
		return desired{f.waiting(current), activatedFor(f.current)}
	case policy != nil:
		return f.activate(f.governed(policy.PropagationSpec(), ref), policy.PropagationSpec().ActivationPreference)
	case current == nil, f.wrapper == "" && current.Resource.APIVersion != f.request.GVK.GroupVersion().String():
		return desired{}
	case current.Attached():
		return desired{spec: f.complete(attached(current), false)}
	default:
		return desired{spec: f.complete(orphaned(current), false)}
	}
}

// waiting is what holds until the override policies exist that the policy depends on: what the binding says already, or no
// binding. A template never reaches a member without the overrides that it must have, so it does not go along with others
// either.
func (f facts) waiting(current *v1alpha1.BindingSpec) *v1alpha1.BindingSpec {
	if current == nil {
		return nil
	}
	if current.Attached() {
		return f.complete(attached(current), true)
	}
	return f.complete(ownPart(current), false)
}

// governedInAnotherVersion says whether the binding was made from the same object in another version of its
// API, and a policy selects that version still. Two policies that select an object in two versions would take
// the binding from each other for ever; so the first one has it.
func governedInAnotherVersion(t policymatch.Template, policies []v1alpha1.Policy, current *v1alpha1.BindingSpec) bool {
	if current.Resource.GroupVersionKind() == t.GVK {
		return false
	}
	t.GVK = current.Resource.GroupVersionKind()
	ref, _ := policymatch.Choose(t, policies, current.Policy)
	return ref != nil
}

// governed is what a policy says.
func (f facts) governed(policy *v1alpha1.PropagationSpec, ref *v1alpha1.PolicyReference) v1alpha1.BindingSpec {
	spec := v1alpha1.BindingSpec{
		Policy:                      ref,
		Placement:                   &policy.Placement,
		PropagateDeps:               policy.PropagateDeps,
		SchedulerName:               policy.SchedulerName,
		Failover:                    policy.Failover,
		Disruption:                  policy.Disruption,
		ConflictResolution:          policy.ConflictResolution,
		ApplyRules:                  policy.ApplyRules,
		PreserveResourcesOnDeletion: policy.PreserveResourcesOnDeletion,
		SchedulePriority:            schedulePriority(policy.SchedulePriority, f.classes),
	}
	if policy.Suspension != nil {
		spec.Suspension = &v1alpha1.BindingSuspension{Suspension: *policy.Suspension}
	}
	return spec
}

// orphaned is what the last policy said. It holds until another policy selects the template.
func orphaned(current *v1alpha1.BindingSpec) v1alpha1.BindingSpec {
	spec := ownPart(current)
	spec.Policy = nil
	return spec
}

// complete adds what the template says. held keeps the template on the host.
func (f facts) complete(spec v1alpha1.BindingSpec, held bool) *v1alpha1.BindingSpec {
	spec.Resource = f.request.reference(f.wrapper)
	spec.Resource.UID = f.template.GetUID()
	f.describe(&spec)
	spec.Suspension = hold(spec.Suspension, held || f.neverRead())
	spec.WorkloadAffinityGroups = policymatch.AffinityGroups(spec.Placement, f.template.GetLabels())
	return &spec
}

// ownPart is a binding's spec without the fields that other controllers write. It shares what it points to
// with spec.
func ownPart(spec *v1alpha1.BindingSpec) v1alpha1.BindingSpec {
	own := *spec
	own.Clusters, own.Retained, own.GracefulEvictionTasks = nil, nil, nil
	own.RequiredBy, own.PreservedIn = nil, nil
	own.ReplicaLimits, own.RescheduleTriggeredAt = nil, nil
	if own.Suspension != nil && own.Suspension.Scheduling != nil {
		own.Suspension = &v1alpha1.BindingSuspension{Suspension: own.Suspension.Suspension, Held: own.Suspension.Held}
		if equality.Semantic.DeepEqual(own.Suspension, &v1alpha1.BindingSuspension{}) {
			own.Suspension = nil
		}
	}
	return own
}

// upToDate says whether a binding says already what it should.
func upToDate(current v1alpha1.Binding, want desired) bool {
	have := ownPart(current.BindingSpec())
	return equality.Semantic.DeepEqual(&have, want.spec) && activatedFor(current) == want.activated &&
		slices.Contains(current.GetFinalizers(), v1alpha1.BindingFinalizer) &&
		slices.ContainsFunc(current.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == want.spec.Resource.UID })
}

// manifest is the binding as it is applied: everything that propagation owns, and nothing else. The owner
// reference lets Kubernetes remove the binding of a template that was deleted while no manager ran; it is not
// a controller's, since that is for owners that make what they own, and deleting a template in the foreground
// does not wait for it.
func manifest(request Request, want desired) (*unstructured.Unstructured, error) {
	spec := want.spec
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return nil, fmt.Errorf("converting the spec of binding %s: %w", request.binding(), err)
	}
	key := request.binding()
	gvk := v1alpha1.NewBinding(key.Namespace).GetObjectKind().GroupVersionKind()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(key.Namespace)
	u.SetName(key.Name)
	u.SetFinalizers([]string{v1alpha1.BindingFinalizer})
	if want.activated != "" {
		u.SetAnnotations(map[string]string{v1alpha1.ActivationAnnotation: want.activated})
	}
	isController, blocks, holder := false, false, spec.Resource.Holder()
	u.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: holder.APIVersion, Kind: holder.Kind, Name: holder.Name, UID: holder.UID,
		Controller: &isController, BlockOwnerDeletion: &blocks,
	}})
	return u, nil
}
