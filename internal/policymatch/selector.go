package policymatch

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Specificity says how closely a selector describes a template. The larger one is the closer one.
type Specificity int

// The specificities.
const (
	// NoMatch: the selector does not select the template.
	NoMatch Specificity = iota
	// ByKind: the selector selects every object of the kind.
	ByKind
	// ByLabels: the selector selects the template by its labels.
	ByLabels
	// ByName: the selector names the template.
	ByName
)

// String says how, for people.
func (s Specificity) String() string {
	return [...]string{"not", "by kind", "by labels", "by name"}[s]
}

// Match says how closely a policy's selectors describe a template; the closest selector counts. A policy of a
// namespace selects in its own namespace only, whatever its selectors say. Selectors whose labelSelector
// cannot be parsed select nothing.
func Match(t Template, policy v1alpha1.Policy) Specificity {
	if policy.GetNamespace() != "" && policy.GetNamespace() != t.Namespace {
		return NoMatch
	}
	if !Allowed(t) {
		return NoMatch
	}
	return MatchSelectors(t, policy.PropagationSpec().ResourceSelectors)
}

// MatchSelectors says how closely selectors describe a template; the closest one counts.
func MatchSelectors(t Template, selectors []v1alpha1.ResourceSelector) Specificity {
	apiVersion, best := t.GVK.GroupVersion().String(), NoMatch
	for i := range selectors {
		if selectors[i].Kind != t.GVK.Kind || selectors[i].APIVersion != apiVersion {
			continue
		}
		best = max(best, matchSelector(t, &selectors[i]))
	}
	return best
}

func matchSelector(t Template, s *v1alpha1.ResourceSelector) Specificity {
	switch {
	case s.Namespace != "" && s.Namespace != t.Namespace:
		return NoMatch
	case s.Name == t.Name && s.Name != "":
		return ByName
	case s.Name != "":
		return NoMatch
	case emptySelector(s.LabelSelector):
		return ByKind
	}
	selector, err := metav1.LabelSelectorAsSelector(s.LabelSelector)
	if err != nil || !selector.Matches(labels.Set(t.Labels)) {
		return NoMatch
	}
	return ByLabels
}

// emptySelector is true for a missing labelSelector and for one without requirements, which selects
// everything and so says no more than the kind.
func emptySelector(s *metav1.LabelSelector) bool {
	return s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}
