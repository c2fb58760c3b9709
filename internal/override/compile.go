package override

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/clustermatch"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// Policy is a compiled policy. It is safe for concurrent use.
type Policy struct {
	// Kind is OverridePolicy or ClusterOverridePolicy.
	Kind string
	// Namespace of the policy; empty for a ClusterOverridePolicy.
	Namespace string
	// Name of the policy.
	Name string

	selectors []v1alpha1.ResourceSelector
	rules     []rule
}

type rule struct {
	targets clustermatch.Affinity
	steps   []step
}

// step is one overrider. field is its path in the policy.
type step struct {
	field string
	apply func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error
}

// Kinds of policies.
const (
	// NamespacedKind is the kind of a policy of one namespace.
	NamespacedKind = "OverridePolicy"
	// ClusterKind is the kind of a policy of all namespaces.
	ClusterKind = "ClusterOverridePolicy"
)

// ErrIdentity is the error for an override that would make another object of a template.
var ErrIdentity = errors.New("an override must not change apiVersion, kind, metadata.name or metadata.namespace")

// ErrRights is the error for an override that would change what an object of RBAC grants, or to whom: who may write it may not be
// who may grant rights.
var ErrRights = errors.New("an override must not change the rules, aggregationRule, roleRef or subjects of an object of rbac.authorization.k8s.io")

// Error is why a policy could not be applied to a template for a cluster.
type Error struct {
	// Policy that failed.
	Policy *Policy
	// Field is the path of the overrider in the policy, such as spec.overrideRules[0].overriders.plaintext[1].
	Field string
	// Err is what is wrong.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Policy, e.Field, e.Err) }

// Unwrap is the error within.
func (e *Error) Unwrap() error { return e.Err }

// String is the policy's kind and name, for people.
func (p *Policy) String() string {
	if p.Namespace == "" {
		return p.Kind + " " + p.Name
	}
	return p.Kind + " " + p.Namespace + "/" + p.Name
}

// Compile reads a policy. Its error names every field that cannot be understood; the policy is usable nevertheless, and
// says the same for each template that such a field concerns, so that a broken policy never goes unnoticed.
func Compile(policy v1alpha1.Override) (*Policy, error) {
	spec := policy.OverrideSpec()
	compiled := &Policy{
		Kind: NamespacedKind, Namespace: policy.GetNamespace(), Name: policy.GetName(),
		selectors: spec.ResourceSelectors, rules: make([]rule, len(spec.OverrideRules)),
	}
	if compiled.Namespace == "" {
		compiled.Kind = ClusterKind
	}
	var failed []error
	for i := range spec.OverrideRules {
		path := fmt.Sprintf("spec.overrideRules[%d]", i)
		c := compiler{path: path + ".overriders"}
		targets, err := clustermatch.Compile(spec.OverrideRules[i].TargetCluster, path+".targetCluster")
		if err != nil {
			c.failed = append(c.failed, err)
			c.steps = append(c.steps, broken(path+".targetCluster", err))
		}
		c.overriders(&spec.OverrideRules[i].Overriders)
		compiled.rules[i] = rule{targets: targets, steps: c.steps}
		failed = append(failed, c.failed...)
	}
	return compiled, errors.Join(failed...)
}

// compiler collects the steps of a rule, and what is wrong with it.
type compiler struct {
	path   string
	steps  []step
	failed []error
}

type action = func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error

// overriders compiles them in the order in which they are applied.
func (c *compiler) overriders(o *v1alpha1.Overriders) {
	each(c, "imageOverrider", o.ImageOverrider, compileImage)
	each(c, "commandOverrider", o.CommandOverrider, compileWords("command"))
	each(c, "argsOverrider", o.ArgsOverrider, compileWords("args"))
	each(c, "labelsOverrider", o.LabelsOverrider, compilePairs("labels"))
	each(c, "annotationsOverrider", o.AnnotationsOverrider, compilePairs("annotations"))
	each(c, "fieldOverrider", o.FieldOverrider, compileDocument)
	each(c, "patches", o.Patches, compilePatch)
	each(c, "plaintext", o.Plaintext, compilePlaintext)
}

func each[T any](c *compiler, name string, overriders []T, compile func(*T) (action, error)) {
	for i := range overriders {
		field := fmt.Sprintf("%s.%s[%d]", c.path, name, i)
		apply, err := compile(&overriders[i])
		if err != nil {
			c.failed = append(c.failed, fmt.Errorf("%s: %w", field, err))
			c.steps = append(c.steps, broken(field, err))
			continue
		}
		c.steps = append(c.steps, step{field, apply})
	}
}

// checkOperator refuses operators that there are not. The schema does too, but not every policy comes from an API server.
func checkOperator(operator v1alpha1.OverrideOperator, known ...v1alpha1.OverrideOperator) error {
	if !slices.Contains(known, operator) {
		return fmt.Errorf("operator %q: use one of %v", operator, known)
	}
	return nil
}

func broken(field string, err error) step {
	return step{field, func(*unstructured.Unstructured, *v1alpha1.Cluster) error { return err }}
}

// Match says how closely the policy describes a template.
func (p *Policy) Match(t policymatch.Template) policymatch.Specificity {
	switch {
	case p.Namespace != "" && p.Namespace != t.Namespace:
		return policymatch.NoMatch
	case len(p.selectors) == 0:
		return policymatch.ByKind
	}
	return policymatch.MatchSelectors(t, p.selectors)
}

// Order gives the policies that are for a template, in the order in which they are applied: those of all namespaces, then
// those of its own; those that select it by kind, by labels, by name; and then by their names. So the most specific one has
// the last word.
func Order(t policymatch.Template, policies []*Policy) []*Policy {
	type candidate struct {
		policy *Policy
		match  policymatch.Specificity
	}
	var candidates []candidate
	for _, p := range policies {
		if match := p.Match(t); match != policymatch.NoMatch {
			candidates = append(candidates, candidate{p, match})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(
			strings.Compare(a.policy.Kind, b.policy.Kind), // ClusterOverridePolicy sorts before OverridePolicy
			cmp.Compare(a.match, b.match),
			strings.Compare(a.policy.Name, b.policy.Name),
		)
	})
	ordered := make([]*Policy, len(candidates))
	for i := range candidates {
		ordered[i] = candidates[i].policy
	}
	return ordered
}

// Applied is a rule that was applied.
type Applied struct {
	// Policy that the rule is of.
	Policy *Policy
	// Rule is its place in spec.overrideRules.
	Rule int
	// Fields are the paths of its overriders.
	Fields []string
}

// Observer sees what a rule changed. It must not keep or change the objects.
type Observer = func(rule Applied, before, after *unstructured.Unstructured)

// Apply changes obj, a copy that the caller owns, in the way of policies in their order. It stops at the first error, which
// is an *Error; obj is of no use then. observe, unless nil, sees the object before and after each rule; that costs a copy of
// the object each time.
func Apply(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster, policies []*Policy, observe Observer) ([]Applied, error) {
	var applied []Applied
	guard := guardOf(obj)
	for _, p := range policies {
		for i := range p.rules {
			r := &p.rules[i]
			if !r.targets.Matches(cluster) {
				continue
			}
			done := Applied{Policy: p, Rule: i}
			var before *unstructured.Unstructured
			if observe != nil {
				before = obj.DeepCopy()
			}
			for _, s := range r.steps {
				if err := s.apply(obj, cluster); err != nil {
					return applied, &Error{p, s.field, err}
				}
				if err := guard.check(obj); err != nil {
					return applied, &Error{p, s.field, err}
				}
				done.Fields = append(done.Fields, s.field)
			}
			applied = append(applied, done)
			if observe != nil {
				observe(done, before, obj)
			}
		}
	}
	return applied, nil
}
