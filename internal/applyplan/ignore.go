package applyplan

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flotilla-dev/flotilla/internal/pointer"
)

// Without is a manifest without the fields that JSON pointers name. A pointer that leads nowhere takes nothing away. The
// manifest is not changed.
func Without(manifest map[string]any, pointers []string) map[string]any {
	if len(pointers) == 0 {
		return manifest
	}
	left := runtime.DeepCopyJSON(manifest)
	paths := make([]pointer.Path, len(pointers))
	for i, text := range pointers {
		paths[i] = pointer.Parse(text)
	}
	pointer.DeleteAll(left, paths)
	return left
}

// Content is what to apply to a live object, or to create it with (nil). Fields that are left to the member are given at
// creation. Later, what the member has there and Flotilla still owns is repeated, because a field that its only owner leaves
// out is removed; what somebody else has taken is left out.
func (d Desired) Content(live *Live) map[string]any {
	switch {
	case len(d.Left) == 0:
		return d.Manifest
	case live == nil:
		return d.Initial
	}
	tree := ownedTree(live.Owned)
	manifest := runtime.DeepCopyJSON(d.Initial)
	var missing []string
	for _, text := range d.Left {
		path := pointer.Parse(text)
		value, found := ownedAt(tree, d.Initial, path)
		if !found || !path.Set(manifest, value) {
			missing = append(missing, text)
		}
	}
	return Without(manifest, missing)
}

func ownedTree(owned string) map[string]any {
	var tree map[string]any
	if json.Unmarshal([]byte(owned), &tree) != nil {
		return nil
	}
	return tree
}

// measured is what is owned without what is left to the member: changes there are no drift.
func (d Desired) measured(owned string) string {
	if len(d.Left) == 0 {
		return owned
	}
	tree := ownedTree(owned)
	for _, text := range d.Left {
		prune(tree, d.Initial, pointer.Parse(text))
	}
	measured, err := json.Marshal(tree)
	if err != nil {
		return owned // what was decoded can be encoded
	}
	return string(measured)
}

// prune takes what a path leads to out of the tree, and the branches that are empty then.
func prune(tree, manifest any, path []string) {
	key, child, found := ownedStep(tree, manifest, path[0])
	branch, _ := tree.(map[string]any)
	if !found {
		return
	}
	if len(path) > 1 {
		prune(branch[key], child, path[1:])
		if left, isBranch := branch[key].(map[string]any); !isBranch || len(left) > 0 {
			return
		}
	}
	delete(branch, key)
}

// ownedAt follows a path at once through a manifest and through the tree of what is owned of its live object.
func ownedAt(tree, manifest any, path []string) (any, bool) {
	for _, token := range path {
		key, child, found := ownedStep(tree, manifest, token)
		if !found {
			return nil, false
		}
		branch, _ := tree.(map[string]any)
		if tree, found = branch[key]; !found {
			return nil, false
		}
		manifest = child
	}
	return plain(tree, manifest)
}

// ownedStep finds the key under which the tree holds what a token leads to in the manifest.
func ownedStep(tree, manifest any, token string) (key string, child any, found bool) {
	switch m := manifest.(type) {
	case map[string]any:
		child, found = m[token]
		return fieldPrefix + token, child, found
	case []any:
		i, isElement := pointer.Index(m, token)
		if !isElement {
			return "", nil, false
		}
		branch, _ := tree.(map[string]any)
		for key := range branch {
			if strings.HasPrefix(key, keyPrefix) && hasKeys(m[i], key) {
				return key, m[i], true
			}
		}
	}
	return "", nil, false
}

// plain turns a part of the tree back into a value: the manifest's shape says what is a map and what is a list.
func plain(tree, manifest any) (any, bool) {
	switch shape := manifest.(type) {
	case map[string]any:
		branch, isMap := tree.(map[string]any)
		if !isMap {
			return nil, false
		}
		if !isTree(branch, fieldPrefix) {
			return branch, true // a leaf: the value itself
		}
		value := map[string]any{}
		for key, below := range branch {
			name := strings.TrimPrefix(key, fieldPrefix)
			if child, found := plain(below, shape[name]); found {
				value[name] = child
			}
		}
		return value, true
	case []any:
		list, isList := tree.([]any)
		return list, isList // the parts of a keyed list are named one by one
	}
	return whole(tree), true
}

// whole gives back whole numbers as API servers decode them.
func whole(value any) any {
	if n, isFloat := value.(float64); isFloat && n == float64(int64(n)) {
		return int64(n)
	}
	return value
}
