package taught

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Health judges a member's object; Unknown, with an error, when the expression cannot.
func (m *Meaning) Health(object *unstructured.Unstructured) (v1alpha1.Health, error) {
	value, err := m.ofObject(m.health, object)
	if err != nil {
		return v1alpha1.HealthUnknown, err
	}
	switch value {
	case true, string(v1alpha1.Healthy):
		return v1alpha1.Healthy, nil
	case false, string(v1alpha1.Unhealthy):
		return v1alpha1.Unhealthy, nil
	case string(v1alpha1.HealthUnknown):
		return v1alpha1.HealthUnknown, nil
	default:
		return v1alpha1.HealthUnknown, m.failed(m.health.field, object, fmt.Errorf("%q is neither Healthy, Unhealthy nor Unknown", value))
	}
}

// Reflect is what is kept of a status. It shares no memory with it.
func (m *Meaning) Reflect(status map[string]any) map[string]any {
	kept := map[string]any{}
	for _, path := range m.spec.Status.Fields {
		fields := split(path)
		value, found, err := unstructured.NestedFieldNoCopy(status, fields...)
		if err != nil || !found || value == nil {
			continue
		}
		if fields[len(fields)-1] == "conditions" {
			value = timeless(value)
		}
		// What is in the way was kept by a shorter path, which has this value already.
		_ = unstructured.SetNestedField(kept, runtime.DeepCopyJSONValue(value), fields...)
	}
	return kept
}

// timeless are conditions without what changes although they say the same.
func timeless(value any) any {
	list, ok := value.([]any)
	if !ok {
		return value
	}
	kept := make([]any, 0, len(list))
	for _, item := range list {
		condition, ok := item.(map[string]any)
		if !ok {
			continue
		}
		said := map[string]any{}
		for _, field := range []string{"type", "status", "reason", "message"} {
			if text, ok := condition[field].(string); ok && text != "" {
				said[field] = text
			}
		}
		kept = append(kept, said)
	}
	return kept
}

// Dependency is an object that another one needs. It has a Name or a Selector.
type Dependency struct {
	APIVersion string
	Kind       string
	Namespace  string
	Name       string
	Selector   *metav1.LabelSelector
}

// Dependencies are the objects that the expression names.
func (m *Meaning) Dependencies(object *unstructured.Unstructured) ([]Dependency, error) {
	value, err := m.ofObject(m.dependencies, object)
	if err != nil {
		return nil, err
	}
	list, _ := value.([]any)
	found := make([]Dependency, 0, len(list))
	for i, item := range list {
		dependency, err := dependencyOf(item)
		if err != nil {
			return nil, m.failed(m.dependencies.field, object, fmt.Errorf("dependency %d: %w", i, err))
		}
		dependency.Namespace = object.GetNamespace()
		found = append(found, dependency)
	}
	slices.SortStableFunc(found, func(a, b Dependency) int {
		return cmp.Or(cmp.Compare(a.APIVersion, b.APIVersion), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}

func dependencyOf(item any) (Dependency, error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return Dependency{}, errors.New("it is no map")
	}
	d := Dependency{}
	d.APIVersion, _ = fields["apiVersion"].(string)
	d.Kind, _ = fields["kind"].(string)
	d.Name, _ = fields["name"].(string)
	if d.APIVersion == "" || d.Kind == "" {
		return Dependency{}, errors.New("it needs apiVersion and kind")
	}
	if selector, ok := fields["labelSelector"].(map[string]any); ok {
		d.Selector = &metav1.LabelSelector{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, d.Selector); err != nil {
			return Dependency{}, fmt.Errorf("labelSelector: %w", err)
		}
	}
	if (d.Name == "") == (d.Selector == nil) {
		return Dependency{}, errors.New("it needs either name or labelSelector")
	}
	return d, nil
}
