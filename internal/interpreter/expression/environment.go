package expression

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apiserver/pkg/cel/library"
)

// Variables that expressions see.
const (
	// Object is the object that is interpreted.
	Object = "object"
	// Template is the template whose status is aggregated.
	Template = "template"
	// Items are the statuses of the members.
	Items = "items"
	// Divided says whether the clusters share the replicas.
	Divided = "divided"
)

// environment has the functions of Kubernetes' own expressions (but for those that ask for authorization, which is
// I/O), and cel.bind. It differs from k8s.io/apiserver/pkg/cel/environment in one thing: that one refuses maps and
// lists of mixed types, and the result of an expression here is most often such a map.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	env, err := cel.NewEnv(
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		ext.Strings(ext.StringsVersion(2)),
		ext.Sets(),
		ext.Lists(ext.ListsVersion(3)),
		ext.Bindings(),
		ext.TwoVarComprehensions(),
		library.URLs(),
		library.Regex(),
		library.Lists(library.ListsVersion(1)),
		library.Quantity(),
		library.IP(),
		library.CIDR(),
		library.Format(),
		library.SemverLib(library.SemverVersion(1)),
		cel.Variable(Object, cel.DynType),
		cel.Variable(Template, cel.DynType),
		cel.Variable(Items, cel.ListType(cel.DynType)),
		cel.Variable(Divided, cel.BoolType),
	)
	if err != nil {
		return nil, fmt.Errorf("making the environment of expressions: %w", err)
	}
	return env, nil
})
