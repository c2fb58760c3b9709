package override

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// podPaths lead to the pods' spec of the kinds that have one, a CronJob's first.
var podPaths = [][]string{{"spec", "jobTemplate", "spec", "template", "spec"}, {"spec", "template", "spec"}, {"template", "spec"}, {"spec"}}

// podSpec is the spec of an object's pods: of a Pod, of a template for pods wherever kinds keep it, also of a custom kind.
// It is nil for an object without pods.
func podSpec(obj *unstructured.Unstructured) map[string]any {
	for _, path := range podPaths {
		spec, found, err := unstructured.NestedFieldNoCopy(obj.Object, path...)
		fields, isMap := spec.(map[string]any)
		if err != nil || !found || !isMap {
			continue
		}
		if _, hasContainers := fields["containers"].([]any); hasContainers {
			return fields
		}
	}
	return nil
}

// containers are the containers in the lists of a pods' spec.
func containers(spec map[string]any, lists ...string) []map[string]any {
	var found []map[string]any
	for _, list := range lists {
		elements, _ := spec[list].([]any)
		for _, element := range elements {
			if container, isMap := element.(map[string]any); isMap {
				found = append(found, container)
			}
		}
	}
	return found
}

// compileWords compiles changes of the command or the args of a container.
func compileWords(list string) func(*v1alpha1.CommandArgsOverrider) (action, error) {
	return func(o *v1alpha1.CommandArgsOverrider) (action, error) {
		if err := checkOperator(o.Operator, v1alpha1.OverrideAdd, v1alpha1.OverrideRemove); err != nil {
			return nil, err
		}
		words := make([]text, len(o.Value))
		for i, word := range o.Value {
			var err error
			if words[i], err = compileText(word); err != nil {
				return nil, fmt.Errorf("value[%d]: %w", i, err)
			}
		}
		name, operator := o.ContainerName, o.Operator
		return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
			spec := podSpec(obj)
			if spec == nil {
				return nil
			}
			resolved, err := resolveAll(words, cluster)
			if err != nil {
				return err
			}
			for _, container := range containers(spec, "initContainers", "containers") {
				if container["name"] == name {
					return changeWords(container, list, operator, resolved)
				}
			}
			return fmt.Errorf("containerName: the template has no container %q", name)
		}, nil
	}
}

func resolveAll(words []text, cluster *v1alpha1.Cluster) ([]any, error) {
	resolved := make([]any, len(words))
	for i, word := range words {
		r, err := word.resolve(cluster)
		if err != nil {
			return nil, err
		}
		resolved[i] = r
	}
	return resolved, nil
}

func changeWords(container map[string]any, list string, operator v1alpha1.OverrideOperator, words []any) error {
	have, isList := container[list].([]any)
	if container[list] != nil && !isList {
		return fmt.Errorf("%s of container %v is not a list", list, container["name"])
	}
	if operator == v1alpha1.OverrideAdd {
		have = append(slices.Clone(have), words...)
	} else {
		have = slices.DeleteFunc(slices.Clone(have), func(word any) bool {
			_, isText := word.(string)
			return isText && slices.Contains(words, word)
		})
	}
	if len(have) == 0 {
		delete(container, list)
		return nil
	}
	container[list] = have
	return nil
}
