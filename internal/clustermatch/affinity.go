package clustermatch

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Affinity is a compiled ClusterAffinity, made ready to be asked about many clusters.
type Affinity struct {
	names   map[string]bool // nil: every name
	exclude map[string]bool
	labels  labels.Selector // nil: all labels
	fields  []v1alpha1.FieldSelectorRequirement
}

// Compile makes an affinity ready. nil is an affinity that selects every cluster. path names the field
// in errors: a label selector that cannot be parsed, a key or an operator that there is not.
func Compile(a *v1alpha1.ClusterAffinity, path string) (Affinity, error) {
	if a == nil {
		return Affinity{}, nil
	}
	compiled := Affinity{names: setOf(a.ClusterNames), exclude: setOf(a.ExcludeClusters)}
	if a.LabelSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(a.LabelSelector)
		if err != nil {
			return Affinity{}, fmt.Errorf("%s.labelSelector: %w", path, err)
		}
		compiled.labels = selector
	}
	if a.FieldSelector == nil {
		return compiled, nil
	}
	for i, requirement := range a.FieldSelector.MatchExpressions {
		if err := checkRequirement(requirement); err != nil {
			return Affinity{}, fmt.Errorf("%s.fieldSelector.matchExpressions[%d]: %w", path, i, err)
		}
	}
	compiled.fields = a.FieldSelector.MatchExpressions
	return compiled, nil
}

func checkRequirement(r v1alpha1.FieldSelectorRequirement) error {
	switch r.Key {
	case v1alpha1.ProviderField, v1alpha1.RegionField, v1alpha1.ZoneField:
	default:
		return fmt.Errorf("key %q: use provider, region or zone", r.Key)
	}
	switch r.Operator {
	case v1alpha1.FieldIn, v1alpha1.FieldNotIn:
		return nil
	default:
		return fmt.Errorf("operator %q: use In or NotIn", r.Operator)
	}
}

// Matches says whether the affinity selects a cluster.
func (a *Affinity) Matches(cluster *v1alpha1.Cluster) bool {
	switch {
	case a.exclude[cluster.Name]:
		return false
	case a.names != nil && !a.names[cluster.Name]:
		return false
	case a.labels != nil && !a.labels.Matches(labels.Set(cluster.Labels)):
		return false
	}
	for i := range a.fields {
		if !matchField(&a.fields[i], cluster) {
			return false
		}
	}
	return true
}

// matchField: a cluster without a value for the field is in no list, so In fails and NotIn holds.
func matchField(r *v1alpha1.FieldSelectorRequirement, cluster *v1alpha1.Cluster) bool {
	listed := false
	switch r.Key {
	case v1alpha1.ProviderField:
		listed = slices.Contains(r.Values, cluster.Spec.Provider)
	case v1alpha1.RegionField:
		listed = slices.Contains(r.Values, cluster.Spec.Region)
	case v1alpha1.ZoneField:
		listed = slices.ContainsFunc(cluster.Spec.Zones, func(zone string) bool { return slices.Contains(r.Values, zone) })
	}
	return listed == (r.Operator == v1alpha1.FieldIn)
}

// setOf is nil for no values.
func setOf(values []string) map[string]bool {
	if len(values) == 0 {
		return nil
	}
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v] = true
	}
	return set
}
