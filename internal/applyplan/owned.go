package applyplan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// The prefixes of managedFields' keys, see the FieldsV1 type in k8s.io/apimachinery/pkg/apis/meta/v1: a
// field of a map, an element of a list found by its keys, and an element of a set.
const (
	fieldPrefix = "f:"
	keyPrefix   = "k:"
	valuePrefix = "v:"
	selfKey     = "."
)

// Owned is the part of an object that a field manager owns by server-side apply, as canonical JSON in the
// shape of managedFields with the object's values as leaves; empty when it owns nothing. Two results are
// equal exactly when the manager owns the same fields with the same values, whatever others own beside
// them and in whatever order lists are. A field that somebody else has taken is missing.
func Owned(obj *unstructured.Unstructured, manager string) (string, error) {
	fields := appliedFields(obj.GetManagedFields(), manager)
	if fields == nil {
		return "", nil
	}
	var tree map[string]any
	if err := json.Unmarshal(fields, &tree); err != nil {
		return "", fmt.Errorf("reading the managed fields of %s: %w", obj.GetName(), err)
	}
	dropWritten(tree)
	values, err := json.Marshal(extract(tree, obj.Object))
	if err != nil {
		return "", fmt.Errorf("encoding the owned values of %s: %w", obj.GetName(), err)
	}
	return string(values), nil
}

// dropWritten leaves out when the object was written: that is told of the manifest, and no part of it.
func dropWritten(tree map[string]any) {
	metadata, _ := tree[fieldPrefix+"metadata"].(map[string]any)
	annotations, _ := metadata[fieldPrefix+"annotations"].(map[string]any)
	delete(annotations, fieldPrefix+v1alpha1.WrittenAnnotation)
}

func appliedFields(entries []metav1.ManagedFieldsEntry, manager string) []byte {
	for _, e := range entries {
		if e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.FieldsV1 != nil {
			return e.FieldsV1.GetRawBytes()
		}
	}
	return nil
}

// extract replaces the leaves of a managedFields tree by the object's values.
func extract(tree map[string]any, value any) any {
	owned := map[string]any{}
	for key, below := range tree {
		subtree, _ := below.(map[string]any)
		child, found := step(key, value)
		switch {
		case key == selfKey:
			continue
		case !found:
			continue
		case len(subtree) == 0:
			owned[key] = child
		default:
			owned[key] = extract(subtree, child)
		}
	}
	return owned
}

// step follows one key of a managedFields tree into a value.
func step(key string, value any) (any, bool) {
	switch {
	case strings.HasPrefix(key, fieldPrefix):
		m, _ := value.(map[string]any)
		child, found := m[key[len(fieldPrefix):]]
		return child, found
	case strings.HasPrefix(key, keyPrefix):
		return find(value, func(element any) bool { return hasKeys(element, key) })
	case strings.HasPrefix(key, valuePrefix):
		return find(value, func(element any) bool { return isValue(element, key) })
	}
	return nil, false
}

func find(list any, matches func(any) bool) (any, bool) {
	elements, _ := list.([]any)
	for _, element := range elements {
		if matches(element) {
			return element, true
		}
	}
	return nil, false
}

func hasKeys(element any, key string) bool {
	m, ok := element.(map[string]any)
	if !ok {
		return false
	}
	var keys map[string]any
	if json.Unmarshal([]byte(key[len(keyPrefix):]), &keys) != nil {
		return false
	}
	for name, want := range keys {
		if have, found := m[name]; found && !sameScalar(want, have) {
			return false
		} else if !found && want != nil && !isKeyDefault(name, want) {
			return false
		}
	}
	return true
}

// isKeyDefault says whether a list key that the manifest leaves out has the value that the API server
// fills in. Kubernetes has one such key: the protocol of ports.
func isKeyDefault(name string, want any) bool { return name == "protocol" && want == "TCP" }

func isValue(element any, key string) bool {
	var want any
	return json.Unmarshal([]byte(key[len(valuePrefix):]), &want) == nil && sameScalar(want, element)
}

// Holds says whether every field of a manifest is among the owned values of a live object, with the value
// that the manifest gives it.
func Holds(manifest map[string]any, owned string) bool {
	var tree map[string]any
	if json.Unmarshal([]byte(owned), &tree) != nil {
		return false
	}
	for field, want := range manifest {
		if field == "apiVersion" || field == "kind" {
			continue
		}
		if field == "metadata" {
			want = ownableMetadata(want)
		}
		if have, found := tree[fieldPrefix+field]; !holdsField(want, have, found) {
			return false
		}
	}
	return true
}

// ownableMetadata leaves out what identifies an object: nobody owns it.
func ownableMetadata(metadata any) any {
	m, _ := metadata.(map[string]any)
	ownable := make(map[string]any, len(m))
	for key, value := range m {
		if key != "name" && key != "namespace" {
			ownable[key] = value
		}
	}
	return ownable
}

// holdsField also takes a field that is wanted empty and not owned: an empty map or list says nothing that
// somebody could change.
func holdsField(want, have any, found bool) bool {
	if !found {
		return isEmpty(want)
	}
	return holds(want, have)
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func holds(want, have any) bool {
	switch w := want.(type) {
	case map[string]any:
		return holdsMap(w, have)
	case []any:
		return holdsList(w, have)
	}
	return sameScalar(want, have)
}

func holdsMap(want map[string]any, have any) bool {
	h, ok := have.(map[string]any)
	if !ok {
		return false
	}
	prefix := fieldPrefix
	if !isTree(h, fieldPrefix) {
		prefix = "" // a leaf: the value itself
	}
	for key, value := range want {
		if child, found := h[prefix+key]; !holdsField(value, child, found) {
			return false
		}
	}
	return true
}

func holdsList(want []any, have any) bool {
	if elements, leaf := have.([]any); leaf {
		return holdsAtomicList(want, elements)
	}
	h, ok := have.(map[string]any)
	if !ok || len(h) != len(want) {
		return false
	}
	for _, element := range want {
		if !holdsElement(element, h) {
			return false
		}
	}
	return true
}

func holdsAtomicList(want, have []any) bool {
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if !holds(want[i], have[i]) {
			return false
		}
	}
	return true
}

func holdsElement(want any, have map[string]any) bool {
	for key, child := range have {
		switch {
		case strings.HasPrefix(key, keyPrefix):
			if hasKeys(want, key) && holds(want, child) {
				return true
			}
		case strings.HasPrefix(key, valuePrefix):
			if isValue(want, key) {
				return true
			}
		}
	}
	return false
}

func isTree(m map[string]any, prefix string) bool {
	for key := range m {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
	}
	return len(m) > 0
}

// sameScalar compares what is wanted (a) with what is there (b): numbers by value, whatever Go type a decoder chose,
// and texts that an API server may have rewritten as quantities, such as "1000m" to "1".
func sameScalar(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	x, isText := a.(string)
	y, isAlsoText := b.(string)
	if !isText || !isAlsoText {
		return false
	}
	return isCanonical(x, y)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case int:
		return float64(n), true
	}
	return 0, false
}

// isCanonical says whether have is what an API server makes of a quantity that it is given as want. Two texts that
// merely stand for the same amount, such as 1.10 and 1.1 in a ConfigMap, are different.
func isCanonical(want, have string) bool {
	quantity, err := resource.ParseQuantity(want)
	return err == nil && quantity.String() == have
}
