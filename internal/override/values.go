package override

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// A value may name the cluster that it is for: ${cluster.name} and the like. Other ${...} are left as they are, because
// shells and configuration files use them too.
const (
	opening = "${cluster."
	escaped = "$${"
)

// text is a text that may name the cluster: literal parts, and between them what is looked up.
type text struct {
	literals []string // one more than lookups
	lookups  []lookup
}

type lookup struct {
	name string // as written
	find func(*v1alpha1.Cluster) (string, bool)
}

func (t text) plain() bool { return len(t.lookups) == 0 }

// resolve is the text for a cluster. That the cluster lacks what is named is an error: an empty value would be a surprise.
func (t text) resolve(cluster *v1alpha1.Cluster) (string, error) {
	if t.plain() {
		return t.literals[0], nil
	}
	var resolved strings.Builder
	for i, l := range t.lookups {
		value, found := l.find(cluster)
		if !found {
			return "", fmt.Errorf("cluster %s has no value for %s", cluster.Name, l.name)
		}
		resolved.WriteString(t.literals[i])
		resolved.WriteString(value)
	}
	resolved.WriteString(t.literals[len(t.lookups)])
	return resolved.String(), nil
}

func compileText(written string) (text, error) {
	var t text
	var literal strings.Builder
	for rest := written; rest != ""; {
		switch {
		case strings.HasPrefix(rest, escaped):
			literal.WriteString("${")
			rest = rest[len(escaped):]
		case strings.HasPrefix(rest, opening):
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				return text{}, fmt.Errorf("%q: the } after %s is missing; write $${ for a ${ that means nothing", written, opening)
			}
			found, err := compileLookup(rest[:end+1])
			if err != nil {
				return text{}, err
			}
			t.literals, t.lookups = append(t.literals, literal.String()), append(t.lookups, found)
			literal.Reset()
			rest = rest[end+1:]
		default:
			literal.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	t.literals = append(t.literals, literal.String())
	return t, nil
}

func compileLookup(written string) (lookup, error) {
	property := strings.TrimSuffix(strings.TrimPrefix(written, opening), "}")
	field := func(of func(*v1alpha1.Cluster) string) (lookup, error) {
		return lookup{written, func(c *v1alpha1.Cluster) (string, bool) { value := of(c); return value, value != "" }}, nil
	}
	switch property {
	case "name":
		return field(func(c *v1alpha1.Cluster) string { return c.Name })
	case "region":
		return field(func(c *v1alpha1.Cluster) string { return c.Spec.Region })
	case "provider":
		return field(func(c *v1alpha1.Cluster) string { return c.Spec.Provider })
	case "zone":
		return field(firstZone)
	}
	if key, isLabel := keyOf(property, "labels"); isLabel {
		return lookup{written, func(c *v1alpha1.Cluster) (string, bool) { value, found := c.Labels[key]; return value, found }}, nil
	}
	if key, isAnnotation := keyOf(property, "annotations"); isAnnotation {
		return lookup{written, func(c *v1alpha1.Cluster) (string, bool) { value, found := c.Annotations[key]; return value, found }}, nil
	}
	return lookup{}, fmt.Errorf("%s is not known: use cluster.name, .region, .zone, .provider, .labels[KEY] or .annotations[KEY], or write $${ for a ${ that means nothing", written)
}

// firstZone is the zone of a cluster in one, and the first of several.
func firstZone(c *v1alpha1.Cluster) string {
	if len(c.Spec.Zones) == 0 {
		return ""
	}
	return c.Spec.Zones[0]
}

func keyOf(property, of string) (string, bool) {
	key, found := strings.CutPrefix(property, of+"[")
	if !found || !strings.HasSuffix(key, "]") || len(key) == 1 {
		return "", false
	}
	return strings.TrimSuffix(key, "]"), true
}

// value is a JSON value whose texts may name the cluster.
type value struct {
	resolve func(*v1alpha1.Cluster) (any, error)
	fixed   bool // the same for every cluster
}

func compileValue(written any) (value, error) {
	switch w := written.(type) {
	case string:
		t, err := compileText(w)
		return value{func(c *v1alpha1.Cluster) (any, error) { return t.resolve(c) }, t.plain()}, err
	case map[string]any:
		return compileMap(w)
	case []any:
		return compileList(w)
	}
	return fixedValue(written), nil
}

// fixedValue is copied for each object: objects are changed later.
func fixedValue(written any) value {
	return value{func(*v1alpha1.Cluster) (any, error) { return runtime.DeepCopyJSONValue(written), nil }, true}
}

// settled resolves what is the same for every cluster once.
func settled(v value) (value, error) {
	if !v.fixed {
		return v, nil
	}
	resolved, err := v.resolve(nil)
	return fixedValue(resolved), err
}

func compileMap(written map[string]any) (value, error) {
	compiled, fixed := make(map[string]value, len(written)), true
	for key, w := range written {
		if strings.Contains(key, opening) {
			return value{}, fmt.Errorf("%q: a key cannot ask about the cluster, only a value can", key)
		}
		v, err := compileValue(w)
		if err != nil {
			return value{}, err
		}
		compiled[key], fixed = v, fixed && v.fixed
	}
	return settled(value{func(c *v1alpha1.Cluster) (any, error) {
		resolved := make(map[string]any, len(compiled))
		for key, v := range compiled {
			r, err := v.resolve(c)
			if err != nil {
				return nil, err
			}
			resolved[key] = r
		}
		return resolved, nil
	}, fixed})
}

func compileList(written []any) (value, error) {
	compiled, fixed := make([]value, len(written)), true
	for i, w := range written {
		v, err := compileValue(w)
		if err != nil {
			return value{}, err
		}
		compiled[i], fixed = v, fixed && v.fixed
	}
	return settled(value{func(c *v1alpha1.Cluster) (any, error) {
		resolved := make([]any, len(compiled))
		for i, v := range compiled {
			r, err := v.resolve(c)
			if err != nil {
				return nil, err
			}
			resolved[i] = r
		}
		return resolved, nil
	}, fixed})
}
