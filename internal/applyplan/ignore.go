package applyplan

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"

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

// ownedTree reads what Owned wrote; whole numbers are int64, as from an API server.
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
	var paths []pointer.Path
	for _, text := range d.Left {
		if path, _, found := treePath(tree, d.Initial, pointer.Parse(text)); found {
			paths = append(paths, path)
		}
	}
	pointer.DeleteAll(tree, paths)
	for _, path := range paths {
		trim(tree, path)
	}
	measured, err := json.Marshal(tree)
	if err != nil {
		return owned // what was decoded can be encoded
	}
	return string(measured)
}

// trim takes the branches out that a path leads through and that are empty.
func trim(branch map[string]any, path pointer.Path) {
	child, isBranch := branch[path[0]].(map[string]any)
	if !isBranch || len(path) == 1 {
		return
	}
	if trim(child, path[1:]); len(child) == 0 {
		delete(branch, path[0])
	}
}

// ownedAt is the value in the tree of what is owned that a path leads to in the manifest.
func ownedAt(tree map[string]any, manifest any, path pointer.Path) (any, bool) {
	inTree, shape, found := treePath(tree, manifest, path)
	if !found {
		return nil, false
	}
	value, found := inTree.Get(tree)
	if !found {
		return nil, false
	}
	return plain(value, shape)
}

// treePath is the path in the tree of what is owned to what a path leads to in the manifest, and the part of the manifest
// there. Where the tree ends in a value that is owned as a whole, such as a list without keys, the rest of the path
// leads through that value as it is.
func treePath(tree map[string]any, manifest any, path pointer.Path) (inTree pointer.Path, shape any, found bool) {
	var branch any = tree
	for i, token := range path {
		if isLeaf(branch) {
			inTree = append(inTree, path[i:]...)
			shape, _ = path[i:].Get(manifest)
			_, found = inTree.Get(tree)
			return inTree, shape, found
		}
		key, child, known := ownedStep(branch, manifest, token)
		fields, _ := branch.(map[string]any)
		if branch, found = fields[key]; !known || !found {
			return nil, nil, false
		}
		inTree, manifest = append(inTree, key), child
	}
	return inTree, manifest, true
}

// isLeaf says whether a part of the tree is the object's own value.
func isLeaf(part any) bool {
	branch, isMap := part.(map[string]any)
	if !isMap {
		return true
	}
	for key := range branch {
		if strings.HasPrefix(key, fieldPrefix) || strings.HasPrefix(key, keyPrefix) || strings.HasPrefix(key, valuePrefix) {
			return false
		}
	}
	return true
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
	return tree, true
}
