package propagation

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=overridepolicies;clusteroverridepolicies,verbs=get;list;watch

// overridesFor are the names of the override policies for templates of a namespace, as far as one of the policies depends on
// any; nil when none does.
func overridesFor(ctx context.Context, c client.Reader, policies []v1alpha1.Policy, namespace string) (sets.Set[string], error) {
	if !slices.ContainsFunc(policies, depends) {
		return nil, nil
	}
	return namesOf(hostindex.Overrides(ctx, c, namespace))
}

// overridesOf are the names of the override policies that a policy can depend on, in any of the namespaces that it selects
// in; nil when it depends on none.
func overridesOf(ctx context.Context, c client.Reader, policy v1alpha1.Policy) (sets.Set[string], error) {
	switch {
	case !depends(policy):
		return nil, nil
	case policy.GetNamespace() == "":
		return namesOf(hostindex.AllOverrides(ctx, c))
	}
	return namesOf(hostindex.Overrides(ctx, c, policy.GetNamespace()))
}

func depends(p v1alpha1.Policy) bool { return len(p.PropagationSpec().DependentOverrides) > 0 }

func namesOf(found []v1alpha1.Override, err error) (sets.Set[string], error) {
	if err != nil {
		return nil, err
	}
	names := sets.New[string]()
	for _, policy := range found {
		names.Insert(policy.GetName())
	}
	return names, nil
}

// missingOverride is the first override policy that a policy depends on and that does not exist; empty for none.
func missingOverride(spec *v1alpha1.PropagationSpec, exist sets.Set[string]) string {
	for _, name := range spec.DependentOverrides {
		if !exist.Has(name) {
			return name
		}
	}
	return ""
}

// dependsOn says whether a policy depends on the override policy of a name.
func dependsOn(policy v1alpha1.Policy, override string) bool {
	return slices.Contains(policy.PropagationSpec().DependentOverrides, override)
}
