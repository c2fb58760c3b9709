package taught

import (
	"fmt"
	"strings"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/expression"
)

// Operation is a part of a meaning that is taught as a whole.
type Operation string

// The operations. Replicas, their revision, requirements and components are one: they speak of the same number.
const (
	Replicas     Operation = "replicas"
	Health       Operation = "health"
	Status       Operation = "status"
	Aggregation  Operation = "aggregation"
	Dependencies Operation = "dependencies"
)

// Operations are all of them.
var Operations = []Operation{Replicas, Health, Status, Aggregation, Dependencies}

// Problem is something that a ResourceInterpreter's author has to correct.
type Problem struct {
	// Field is its path, such as "spec.health.expression".
	Field string
	// Message says what is wrong.
	Message string
}

// String is the problem in one sentence.
func (p Problem) String() string { return p.Field + ": " + p.Message }

// Meaning is a compiled ResourceInterpreter. It is safe for concurrent use.
type Meaning struct {
	// Name of the ResourceInterpreter.
	Name string
	// Target is the kind that is taught.
	Target v1alpha1.InterpreterTarget

	created metav1.Time
	spec    v1alpha1.ResourceInterpreterSpec

	replicas, requirements, components, health, aggregation, dependencies *rule

	failure atomic.Pointer[string]
}

// rule is an expression at its place in the spec.
type rule struct {
	field   string
	program *expression.Program
	broken  error // why it does not compile
}

// Compile compiles what a ResourceInterpreter teaches. Problems do not keep the rest from working.
func Compile(ri *v1alpha1.ResourceInterpreter) (*Meaning, []Problem) {
	m := &Meaning{Name: ri.Name, Target: ri.Spec.Target, created: ri.CreationTimestamp, spec: *ri.Spec.DeepCopy()}
	var problems []Problem
	compile := func(field, source string, result expression.Result, variables ...string) *rule {
		if source == "" {
			return nil
		}
		r := &rule{field: field}
		if r.program, r.broken = expression.Compile(source, result, variables...); r.broken != nil {
			problems = append(problems, Problem{Field: field, Message: r.broken.Error()})
		}
		return r
	}
	of := func(e *v1alpha1.ExpressionRule) string {
		if e == nil {
			return ""
		}
		return e.Expression
	}
	if r := m.spec.Replicas; r != nil {
		m.replicas = compile("spec.replicas.expression", r.Expression, expression.Integer, expression.Object)
	}
	if r := m.spec.Requirements; r != nil {
		m.requirements = compile("spec.requirements.expression", r.Expression, expression.Map, expression.Object)
	}
	if r := m.spec.Aggregation; r != nil {
		m.aggregation = compile("spec.aggregation.expression", r.Expression, expression.Map, expression.Template, expression.Items, expression.Divided)
	}
	m.components = compile("spec.components.expression", of(m.spec.Components), expression.List, expression.Object)
	m.health = compile("spec.health.expression", of(m.spec.Health), expression.Verdict, expression.Object)
	m.dependencies = compile("spec.dependencies.expression", of(m.spec.Dependencies), expression.List, expression.Object)
	return m, problems
}

// Teaches tells whether an operation is taught.
func (m *Meaning) Teaches(operation Operation) bool {
	switch operation {
	case Replicas:
		return m.spec.Replicas != nil || m.spec.Components != nil
	case Health:
		return m.spec.Health != nil
	case Status:
		return m.spec.Status != nil
	case Aggregation:
		return m.spec.Aggregation != nil
	case Dependencies:
		return m.spec.Dependencies != nil
	default:
		return false
	}
}

// Failure is the newest failure of an expression on an object; empty when none has failed yet.
func (m *Meaning) Failure() string {
	if failure := m.failure.Load(); failure != nil {
		return *failure
	}
	return ""
}

// evaluate runs a rule. The object is what a failure is reported of.
func (m *Meaning) evaluate(r *rule, object *unstructured.Unstructured, variables map[string]any) (any, error) {
	if r.broken != nil {
		return nil, fmt.Errorf("ResourceInterpreter %s cannot be used: %s: %w", m.Name, r.field, r.broken)
	}
	value, err := r.program.Evaluate(variables)
	if err != nil {
		return nil, m.failed(r.field, object, err)
	}
	return value, nil
}

// failed makes the error of a field that makes no sense of an object, and keeps it.
func (m *Meaning) failed(field string, object *unstructured.Unstructured, err error) error {
	name := strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
	said := fmt.Sprintf("%s of %s %s: %v", field, object.GetKind(), name, err)
	m.failure.Store(&said)
	return fmt.Errorf("ResourceInterpreter %s: %s: %w", m.Name, field, err)
}

func (m *Meaning) ofObject(r *rule, object *unstructured.Unstructured) (any, error) {
	return m.evaluate(r, object, map[string]any{expression.Object: object.Object})
}
