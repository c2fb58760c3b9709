package placing

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// PolicyCheck is what one policy means to a template.
type PolicyCheck struct {
	// Kind is PropagationPolicy or ClusterPropagationPolicy.
	Kind string `json:"kind"`
	// Namespace of the policy; empty for a ClusterPropagationPolicy.
	Namespace string `json:"namespace,omitempty"`
	// Name of the policy.
	Name string `json:"name"`
	// Selects says whether the policy selects the template.
	Selects bool `json:"selects"`
	// Reason says how it selects the template, or why it does not.
	Reason string `json:"reason"`
}

func (c PolicyCheck) text() string { return policyText(c.Kind, c.Namespace, c.Name) }

// policyText is "PropagationPolicy shop/web".
func policyText(kind, namespace, name string) string {
	return templateText(v1alpha1.ObjectReference{Kind: kind, Namespace: namespace, Name: name})
}

// checkPolicies says of every policy what it means to a template.
func checkPolicies(t policymatch.Template, policies []v1alpha1.Policy) []PolicyCheck {
	checks := make([]PolicyCheck, 0, len(policies))
	for _, policy := range policies {
		ref := policymatch.Reference(policy)
		check := PolicyCheck{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
		match := policymatch.Match(t, policy)
		switch {
		case policy.GetDeletionTimestamp() != nil:
			check.Reason = "is being deleted"
		case match != policymatch.NoMatch:
			check.Selects, check.Reason = true, "selects it "+match.String()
		default:
			check.Reason = whyNotSelected(t, policy)
		}
		checks = append(checks, check)
	}
	return checks
}

// whyNever says why no policy could ever select a template; empty when one could.
func whyNever(t policymatch.Template) string {
	switch {
	case policymatch.Allowed(t):
		return ""
	case !policymatch.KindAllowed(t.GVK.GroupKind()):
		return "every cluster makes its own objects of this kind"
	case t.Controlled:
		return "a controller made it; what its controller makes it from is the template"
	}
	return "it belongs to the system of the host cluster"
}

// whyNotSelected says why a policy does not select a template, by the selector that comes closest.
func whyNotSelected(t policymatch.Template, policy v1alpha1.Policy) string {
	if policy.GetNamespace() != "" && policy.GetNamespace() != t.Namespace {
		return "is in another namespace"
	}
	if never := whyNever(t); never != "" {
		return "cannot select it: " + never
	}
	closest, text := -1, "has no selectors"
	for i, selector := range policy.PropagationSpec().ResourceSelectors {
		if step, why := obstacle(t, &selector); step > closest {
			closest, text = step, fmt.Sprintf("resourceSelectors[%d] %s", i, why)
		}
	}
	return text
}

// obstacle says at which step a selector lets go of a template, and why. The later the step, the closer it is.
func obstacle(t policymatch.Template, s *v1alpha1.ResourceSelector) (step int, why string) {
	apiVersion := t.GVK.GroupVersion().String()
	switch {
	case s.Kind != t.GVK.Kind:
		return 0, fmt.Sprintf("selects the kind %s", s.Kind)
	case s.APIVersion != apiVersion:
		return 1, fmt.Sprintf("selects %s of %s, not of %s", s.Kind, s.APIVersion, apiVersion)
	case s.Namespace != "" && s.Namespace != t.Namespace:
		return 2, fmt.Sprintf("selects in the namespace %s", s.Namespace)
	case s.Name != "":
		return 3, fmt.Sprintf("selects the name %s", s.Name)
	}
	selector, err := metav1.LabelSelectorAsSelector(s.LabelSelector)
	if err != nil {
		return 4, fmt.Sprintf("has a labelSelector that cannot be understood: %v", err)
	}
	return 4, fmt.Sprintf("selects the labels %s; it has %s", selector, labelText(t.Labels))
}

func labelText(set map[string]string) string {
	if len(set) == 0 {
		return "none"
	}
	return strings.ReplaceAll(labels.Set(set).String(), ",", ", ")
}
