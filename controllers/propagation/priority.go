package propagation

import (
	"context"
	"fmt"

	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// schedulePriority is the priority that a policy gives its templates; nil for 0, which is also the priority of
// those whose class does not exist.
func schedulePriority(p *v1alpha1.SchedulePriority, classes map[string]int32) *v1alpha1.BindingPriority {
	if p == nil || classes[p.PriorityClassName] == 0 {
		return nil
	}
	return &v1alpha1.BindingPriority{Priority: classes[p.PriorityClassName]}
}

// classOf is the name of the PriorityClass that a policy names; empty for none.
func classOf(policy v1alpha1.Policy) string {
	if p := policy.PropagationSpec().SchedulePriority; p != nil {
		return p.PriorityClassName
	}
	return ""
}

// hasClass says whether a policy names the PriorityClass of a name.
func hasClass(policy v1alpha1.Policy, class string) bool { return classOf(policy) == class }

// classesOf reads the values of the PriorityClasses that policies name. Those that do not exist are missing in it.
func classesOf(ctx context.Context, c client.Reader, policies []v1alpha1.Policy) (map[string]int32, error) {
	var classes map[string]int32
	for _, policy := range policies {
		name := classOf(policy)
		if _, known := classes[name]; known || name == "" {
			continue
		}
		class := &schedulingv1.PriorityClass{}
		err := c.Get(ctx, types.NamespacedName{Name: name}, class, client.UnsafeDisableDeepCopy)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading priority class %s: %w", name, err)
		}
		if classes == nil {
			classes = map[string]int32{}
		}
		classes[name] = class.Value
	}
	return classes, nil
}
