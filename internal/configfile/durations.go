package configfile

import (
	"reflect"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// badDurations finds the durations of a file that are none, such as 10 without a unit. The decoder stops at the first, and of some it
// does not say where they are.
func badDurations(content []byte) field.ErrorList {
	var file map[string]any
	if yaml.Unmarshal(content, &file) != nil {
		return nil // not even YAML
	}
	return durationsIn(reflect.TypeFor[Manager](), file, nil)
}

// durationsIn looks at the fields of one section.
func durationsIn(section reflect.Type, values map[string]any, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range section.NumField() {
		name, _, _ := strings.Cut(section.Field(i).Tag.Get("json"), ",")
		value, ok := values[name]
		if !ok {
			continue
		}
		kind := section.Field(i).Type
		if kind == reflect.TypeFor[metav1.Duration]() {
			if text, _ := value.(string); !isDuration(text) {
				errs = append(errs, field.Invalid(path.Child(name), value, "is no duration: use a unit, such as 10s"))
			}
			continue
		}
		if inner, ok := value.(map[string]any); ok && kind.Kind() == reflect.Struct {
			errs = append(errs, durationsIn(kind, inner, path.Child(name))...)
		}
	}
	return errs
}

func isDuration(text string) bool {
	_, err := time.ParseDuration(text)
	return err == nil
}
