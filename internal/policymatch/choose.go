package policymatch

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Kinds of policies, as a PolicyReference names them.
const (
	// NamespacedKind is the kind of a policy of one namespace.
	NamespacedKind = "PropagationPolicy"
	// ClusterKind is the kind of a policy of all namespaces.
	ClusterKind = "ClusterPropagationPolicy"
)

// Choose finds the policy that governs a template, and refers to it with the reason why it does. current is
// the policy that governed the template so far, nil for none. The result is nil, nil when no policy selects
// the template.
//
// A template stays with its current policy while that one selects it and is not being deleted, unless a policy whose
// preemption is Always takes it: a PropagationPolicy takes from those of lower priority and from every
// ClusterPropagationPolicy, a ClusterPropagationPolicy only from those of its kind of lower priority. Otherwise, a
// PropagationPolicy comes before a ClusterPropagationPolicy, then the higher priority, then the closer
// selector (name, labels, kind), then the name that sorts first.
func Choose(t Template, policies []v1alpha1.Policy, current *v1alpha1.PolicyReference) (*v1alpha1.PolicyReference, v1alpha1.Policy) {
	c := contend(t, policies, current)
	switch {
	case c.best.policy == nil:
		return nil, nil
	case c.holder.policy != nil && c.taker.policy != nil && takes(c.taker, c.holder):
		ref := Reference(c.taker.policy)
		ref.Reason = fmt.Sprintf("selected %s; its preemption took the template from %s (%s)", c.taker.match, c.holder.policy.GetName(), lost(c.taker, c.holder))
		return ref, c.taker.policy
	case c.holder.policy != nil:
		return current.DeepCopy(), c.holder.policy
	}
	ref := Reference(c.best.policy)
	ref.Reason = reason(c.best, c.second)
	return ref, c.best.policy
}

// contenders are the policies that select a template and matter for the choice; each may be missing.
type contenders struct {
	best, second candidate
	// holder governs the template so far.
	holder candidate
	// taker is the best of those with preemption.
	taker candidate
}

func contend(t Template, policies []v1alpha1.Policy, current *v1alpha1.PolicyReference) contenders {
	var found contenders
	for _, policy := range policies {
		c := candidate{policy: policy, match: Match(t, policy)}
		if policy.GetDeletionTimestamp() != nil || c.match == NoMatch {
			continue
		}
		if current != nil && RefersTo(current, policy) {
			found.holder = c
		}
		if policy.PropagationSpec().Preemption == v1alpha1.PreemptAlways && c.beats(found.taker) {
			found.taker = c
		}
		switch {
		case c.beats(found.best):
			found.best, found.second = c, found.best
		case c.beats(found.second):
			found.second = c
		}
	}
	return found
}

// takes says whether a policy with preemption takes a template from the one that holds it.
func takes(taker, holder candidate) bool {
	if scope(taker) != scope(holder) {
		return scope(taker) > scope(holder)
	}
	return taker.priority() > holder.priority()
}

func lost(taker, holder candidate) string {
	if scope(taker) != scope(holder) {
		return "a ClusterPropagationPolicy"
	}
	return fmt.Sprintf("priority %d, its own is %d", holder.priority(), taker.priority())
}

// Reference refers to a policy, without a reason.
func Reference(policy v1alpha1.Policy) *v1alpha1.PolicyReference {
	return &v1alpha1.PolicyReference{Kind: kindOf(policy), Namespace: policy.GetNamespace(), Name: policy.GetName()}
}

// RefersTo says whether a reference means a policy.
func RefersTo(ref *v1alpha1.PolicyReference, policy v1alpha1.Policy) bool {
	return ref.Name == policy.GetName() && ref.Namespace == policy.GetNamespace() && ref.Kind == kindOf(policy)
}

func kindOf(policy v1alpha1.Policy) string {
	if policy.GetNamespace() == "" {
		return ClusterKind
	}
	return NamespacedKind
}

// candidate is a policy that selects the template.
type candidate struct {
	policy v1alpha1.Policy
	match  Specificity
}

func (c candidate) priority() int32 { return ptr.Deref(c.policy.PropagationSpec().Priority, 0) }

// beats says whether c governs rather than another one, which may be missing.
func (c candidate) beats(other candidate) bool { return other.policy == nil || compare(c, other) < 0 }

// compare is negative when a governs rather than b.
func compare(a, b candidate) int {
	return cmp.Or(
		-cmp.Compare(scope(a), scope(b)),
		-cmp.Compare(a.priority(), b.priority()),
		-cmp.Compare(a.match, b.match),
		strings.Compare(a.policy.GetName(), b.policy.GetName()),
	)
}

func scope(c candidate) int {
	if c.policy.GetNamespace() == "" {
		return 0
	}
	return 1
}

// reason says by what the best candidate beat the second; the second may be missing.
func reason(best, second candidate) string {
	if second.policy == nil {
		return fmt.Sprintf("selected %s; no other policy selects it", best.match)
	}
	name := second.policy.GetName()
	switch {
	case scope(best) != scope(second):
		return fmt.Sprintf("selected %s; a PropagationPolicy comes before the ClusterPropagationPolicy %s", best.match, name)
	case best.priority() != second.priority():
		return fmt.Sprintf("selected %s; priority %d beats %s (%d)", best.match, best.priority(), name, second.priority())
	case best.match != second.match:
		return fmt.Sprintf("selected %s, which is closer than %s (%s)", best.match, name, second.match)
	default:
		return fmt.Sprintf("selected %s; equal to %s but for the name, which sorts first", best.match, name)
	}
}
