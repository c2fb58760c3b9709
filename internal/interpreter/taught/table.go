package taught

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Table has the meanings of all kinds. It never changes.
type Table struct {
	// byKind has the meanings of a kind, the oldest first; the version may be v1alpha1.AnyVersion.
	byKind map[schema.GroupVersionKind][]*Meaning
}

// NewTable makes a table. Of two meanings of one operation of one kind the older counts, of equal age the one whose name
// comes first.
func NewTable(meanings ...*Meaning) *Table {
	t := &Table{byKind: map[schema.GroupVersionKind][]*Meaning{}}
	ordered := slices.SortedFunc(slices.Values(meanings), func(a, b *Meaning) int {
		return cmp.Or(a.created.Compare(b.created.Time), cmp.Compare(a.Name, b.Name))
	})
	for _, m := range ordered {
		gvk := m.Target.GroupVersionKind()
		t.byKind[gvk] = append(t.byKind[gvk], m)
	}
	return t
}

// Find is the meaning that teaches an operation of a kind; nil for none. One for the kind's version goes before one for
// every version.
func (t *Table) Find(gvk schema.GroupVersionKind, operation Operation) *Meaning {
	if t == nil || len(t.byKind) == 0 {
		return nil
	}
	if m := first(t.byKind[gvk], operation); m != nil {
		return m
	}
	gvk.Version = v1alpha1.AnyVersion
	return first(t.byKind[gvk], operation)
}

// Conflicts says which operations of a meaning do not count, because another one teaches them.
func (t *Table) Conflicts(m *Meaning) []Problem {
	var problems []Problem
	for _, operation := range Operations {
		if !m.Teaches(operation) {
			continue
		}
		if other := first(t.byKind[m.Target.GroupVersionKind()], operation); other != nil && other != m {
			problems = append(problems, Problem{
				Field: "spec." + string(operation), Message: fmt.Sprintf("ResourceInterpreter %s teaches it already, and is older", other.Name),
			})
		}
	}
	return problems
}

// Len is the number of kinds.
func (t *Table) Len() int { return len(t.byKind) }

func first(meanings []*Meaning, operation Operation) *Meaning {
	for _, m := range meanings {
		if m.Teaches(operation) {
			return m
		}
	}
	return nil
}
