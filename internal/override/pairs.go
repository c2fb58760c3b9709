package override

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// compilePairs compiles changes of an object's own labels or annotations.
func compilePairs(field string) func(*v1alpha1.LabelAnnotationOverrider) (action, error) {
	return func(o *v1alpha1.LabelAnnotationOverrider) (action, error) {
		if err := checkOperator(o.Operator, v1alpha1.OverrideAdd, v1alpha1.OverrideReplace, v1alpha1.OverrideRemove); err != nil {
			return nil, err
		}
		values := make(map[string]text, len(o.Value))
		for key, written := range o.Value {
			compiled, err := compileText(written)
			if err != nil {
				return nil, fmt.Errorf("value[%s]: %w", key, err)
			}
			values[key] = compiled
		}
		operator := o.Operator
		return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
			pairs, _, err := unstructured.NestedStringMap(obj.Object, "metadata", field)
			if err != nil {
				return fmt.Errorf("metadata.%s: %w", field, err)
			}
			if pairs == nil {
				pairs = map[string]string{}
			}
			if err := changePairs(pairs, operator, values, cluster); err != nil {
				return err
			}
			if len(pairs) == 0 {
				unstructured.RemoveNestedField(obj.Object, "metadata", field)
				return nil
			}
			return unstructured.SetNestedStringMap(obj.Object, pairs, "metadata", field)
		}, nil
	}
}

func changePairs(pairs map[string]string, operator v1alpha1.OverrideOperator, values map[string]text, cluster *v1alpha1.Cluster) error {
	for key, written := range values {
		_, exists := pairs[key]
		switch {
		case operator == v1alpha1.OverrideRemove:
			delete(pairs, key)
			continue
		case operator == v1alpha1.OverrideReplace && !exists:
			continue
		}
		resolved, err := written.resolve(cluster)
		if err != nil {
			return fmt.Errorf("value[%s]: %w", key, err)
		}
		pairs[key] = resolved
	}
	return nil
}
