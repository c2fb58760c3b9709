package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"k8s.io/apiserver/pkg/cel/library"
)

const (
	// costLimit bounds one evaluation, in CEL's units of cost. It is a tenth of what Kubernetes grants an expression of
	// an admission policy (about 0.1 s), because health is judged at every change of an object in a member.
	costLimit = 100_000
	// estimateLimit bounds what an expression may cost at worst, for lists, maps and strings of the sizes below: four
	// loops within each other are too much, three that do little are not.
	estimateLimit = 10_000_000
	// assumedItems and assumedText are how many items and characters a value has at most in that estimate. What is
	// larger at run time is stopped by costLimit.
	assumedItems, assumedText = 64, 256
)

// Result is what an expression has to return.
type Result int

// The results.
const (
	// Integer is an int.
	Integer Result = iota
	// Verdict is a bool or a string.
	Verdict
	// List is a list.
	List
	// Map is a map.
	Map
)

// kinds of CEL values that a Result may be.
func (r Result) kinds() (kinds []cel.Kind, name string) {
	switch r {
	case Integer:
		return []cel.Kind{cel.IntKind, cel.UintKind}, "an int"
	case Verdict:
		return []cel.Kind{cel.BoolKind, cel.StringKind}, "a bool or a string"
	case List:
		return []cel.Kind{cel.ListKind}, "a list"
	default:
		return []cel.Kind{cel.MapKind}, "a map"
	}
}

// Program is an expression that compiles. It is safe for concurrent use.
type Program struct {
	program cel.Program
	result  Result
}

// Compile checks an expression that sees the given variables and returns the given result. The error is for the person
// who wrote it.
func Compile(source string, result Result, variables ...string) (*Program, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, oneLine(issues.Err())
	}
	if err := onlyOf(ast, variables); err != nil {
		return nil, err
	}
	kinds, name := result.kinds()
	if kind := ast.OutputType().Kind(); kind != cel.DynKind && kind != cel.AnyKind && !slices.Contains(kinds, kind) {
		return nil, fmt.Errorf("it returns %s, and has to return %s", ast.OutputType(), name)
	}
	if err := affordable(env, ast); err != nil {
		return nil, err
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize, cel.OptTrackCost), cel.CostLimit(costLimit),
		cel.CostTracking(&library.CostEstimator{}))
	if err != nil {
		return nil, oneLine(err)
	}
	return &Program{program: program, result: result}, nil
}

// onlyOf refuses variables that other operations have.
func onlyOf(ast *cel.Ast, variables []string) error {
	for _, reference := range ast.NativeRep().ReferenceMap() {
		switch reference.Name {
		case Object, Template, Items, Divided:
			if !slices.Contains(variables, reference.Name) {
				return fmt.Errorf("it uses %s, and has %s only", reference.Name, strings.Join(variables, ", "))
			}
		}
	}
	return nil
}

func affordable(env *cel.Env, ast *cel.Ast) error {
	estimate, err := env.EstimateCost(ast, &sizes{})
	if err != nil {
		return fmt.Errorf("its cost cannot be estimated: %w", err)
	}
	if estimate.Max > estimateLimit {
		return fmt.Errorf("it may cost too much: %d with lists of %d items, where %d is the limit; nest fewer loops",
			estimate.Max, assumedItems, estimateLimit)
	}
	return nil
}

// sizes is what the estimate assumes about values whose size nobody knows.
type sizes struct{ library.CostEstimator }

// EstimateSize implements checker.CostEstimator.
func (s *sizes) EstimateSize(element checker.AstNode) *checker.SizeEstimate {
	if known := s.CostEstimator.EstimateSize(element); known != nil {
		return known
	}
	size := uint64(assumedItems)
	if element.Type() != nil && element.Type().Kind() == cel.StringKind {
		size = assumedText
	}
	return &checker.SizeEstimate{Min: 0, Max: size}
}

// Evaluate returns the expression's value as JSON has it: numbers are int64 or float64. An error says what went wrong at
// these values.
func (p *Program) Evaluate(variables map[string]any) (any, error) {
	value, _, err := p.program.Eval(variables)
	if err != nil {
		return nil, oneLine(err)
	}
	return p.checked(value)
}

// oneLine brings an error of the CEL library into the one line that a condition has room for.
func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
