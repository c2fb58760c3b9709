package pointer

import (
	"slices"
	"strconv"
	"strings"
)

// Path is a pointer, taken apart into its tokens.
type Path []string

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// Parse takes a pointer such as /spec/containers/0 apart. It does not check its form: the schemas of the API do.
func Parse(text string) Path {
	tokens := strings.Split(strings.TrimPrefix(text, "/"), "/")
	for i := range tokens {
		tokens[i] = unescaper.Replace(tokens[i])
	}
	return tokens
}

// Escape writes a key as a token.
func Escape(key string) string { return escaper.Replace(key) }

// Index is the element of a list that a token names.
func Index(list []any, token string) (int, bool) {
	i, err := strconv.Atoi(token)
	return i, err == nil && i >= 0 && i < len(list)
}

// Get is what the path leads to.
func (p Path) Get(value any) (any, bool) {
	for _, token := range p {
		var found bool
		if value, found = step(value, token); !found {
			return nil, false
		}
	}
	return value, true
}

func step(value any, token string) (any, bool) {
	switch v := value.(type) {
	case map[string]any:
		child, found := v[token]
		return child, found
	case []any:
		if i, found := Index(v, token); found {
			return v[i], true
		}
	}
	return nil, false
}

// Set puts a value where the path leads to, and says whether it could: everything on the way must exist, and in a list the
// element too.
func (p Path) Set(root, value any) bool {
	parent, found := p[:len(p)-1].Get(root)
	if !found {
		return false
	}
	last := p[len(p)-1]
	switch v := parent.(type) {
	case map[string]any:
		v[last] = value
		return true
	case []any:
		if i, found := Index(v, last); found {
			v[i] = value
			return true
		}
	}
	return false
}

// DeleteAll takes out of an object what paths lead to. Each path names a place in the object as it was, so that the elements
// of a list can be taken out in any order.
func DeleteAll(root map[string]any, paths []Path) {
	ordered := slices.Clone(paths)
	slices.SortFunc(ordered, func(a, b Path) int { return slices.CompareFunc(b, a, compareTokens) })
	for _, path := range ordered { // the last elements of a list first, so that the others keep their places
		deleteAt(root, path)
	}
}

// compareTokens orders the places of a list by number.
func compareTokens(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// deleteAt returns value as it is then: a list loses an element.
func deleteAt(value any, path Path) any {
	switch v := value.(type) {
	case map[string]any:
		child, found := v[path[0]]
		switch {
		case found && len(path) == 1:
			delete(v, path[0])
		case found:
			v[path[0]] = deleteAt(child, path[1:])
		}
	case []any:
		i, found := Index(v, path[0])
		switch {
		case !found:
		case len(path) == 1:
			return slices.Delete(v, i, i+1)
		default:
			v[i] = deleteAt(v[i], path[1:])
		}
	}
	return value
}
