package applyplan

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/flotilla-dev/flotilla/internal/pointer"
)

// Difference is a field whose value in a live object is not the one that a manifest gives it.
type Difference struct {
	// Path of the field, as a JSON pointer (RFC 6901). Elements of a list that have a name are found by it; the pointer
	// says their place in the manifest.
	Path string
	// Wanted is the manifest's value.
	Wanted any
	// Found is the live object's value; nil when it has none.
	Found any
}

// Differences are the fields of a manifest that a live object lacks or has with another value, in the order of their
// paths, at most limit. What the live object has beside them does not count: defaults, status, and what others added.
func Differences(manifest, live map[string]any, limit int) []Difference {
	w := walk{limit: limit}
	for _, field := range sortedKeys(manifest) {
		wanted := manifest[field]
		if field == "metadata" {
			wanted = withoutMarks(ownableMetadata(wanted))
		}
		w.compare("/"+pointer.Escape(field), wanted, live[field])
	}
	return w.found
}

// Beyond are the differences of a live object without those that the member makes itself when it is given the manifest.
func Beyond(live, made []Difference) []Difference {
	var beyond []Difference
	for _, difference := range live {
		if !slices.ContainsFunc(made, func(d Difference) bool {
			return d.Path == difference.Path && reflect.DeepEqual(d.Found, difference.Found)
		}) {
			beyond = append(beyond, difference)
		}
	}
	return beyond
}

// markPrefix begins the keys of what Flotilla itself adds to labels and annotations.
const markPrefix = "flotilla.dev/"

func withoutMarks(metadata any) any {
	m, _ := metadata.(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		pairs, isMap := m[field].(map[string]any)
		if !isMap {
			continue
		}
		kept := make(map[string]any, len(pairs))
		for key, value := range pairs {
			if !strings.HasPrefix(key, markPrefix) {
				kept[key] = value
			}
		}
		m[field] = kept
	}
	return m
}

type walk struct {
	limit int
	found []Difference
}

func (w *walk) compare(path string, wanted, found any) {
	if len(w.found) >= w.limit {
		return
	}
	switch want := wanted.(type) {
	case map[string]any:
		if have, isMap := found.(map[string]any); isMap || len(want) == 0 {
			w.compareMaps(path, want, have)
			return
		}
	case []any:
		if have, isList := found.([]any); isList && (named(want) || len(want) == len(have)) || len(want) == 0 {
			w.compareLists(path, want, have)
			return
		}
	default:
		if sameScalar(wanted, found) {
			return
		}
	}
	w.found = append(w.found, Difference{Path: path, Wanted: wanted, Found: found})
}

func (w *walk) compareMaps(path string, want, have map[string]any) {
	for _, key := range sortedKeys(want) {
		w.compare(path+"/"+pointer.Escape(key), want[key], have[key])
	}
}

func (w *walk) compareLists(path string, want, have []any) {
	for i, element := range want {
		var counterpart any
		if name, isNamed := nameOf(element); isNamed {
			counterpart, _ = find(have, func(other any) bool { n, _ := nameOf(other); return n == name })
		} else if i < len(have) {
			counterpart = have[i]
		}
		w.compare(fmt.Sprintf("%s/%d", path, i), element, counterpart)
	}
}

// named says whether every element of a list has a name, so that others may stand between them.
func named(list []any) bool {
	for _, element := range list {
		if _, isNamed := nameOf(element); !isNamed {
			return false
		}
	}
	return true
}

func nameOf(element any) (string, bool) {
	m, _ := element.(map[string]any)
	name, isNamed := m["name"].(string)
	return name, isNamed
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
