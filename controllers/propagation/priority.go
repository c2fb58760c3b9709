package propagation

import (
	"context"
	"fmt"

	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

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

// onPriorityClass brings what belongs to the policies that name a PriorityClass, when one comes, goes or gets
// another value.
func onPriorityClass[request comparable](c client.Reader, priority int, belongs func(context.Context, v1alpha1.Policy) []request) handler.TypedFuncs[client.Object, request] {
	bring := func(ctx context.Context, class string, q queueOf[request]) {
		policies, err := allPolicies(ctx, c)
		if err != nil { // the cache is closing
			log.FromContext(ctx).Error(err, "Cannot look again at the policies that name a priority class", "class", class)
			return
		}
		for _, policy := range policies {
			if classOf(policy) == class {
				enqueue(q, priority, belongs(ctx, policy)...)
			}
		}
	}
	return handler.TypedFuncs[client.Object, request]{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queueOf[request]) {
			if !e.IsInInitialList {
				bring(ctx, e.Object.GetName(), q)
			}
		},
		// The value of a class cannot be changed, but it can be deleted and created again between two looks.
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queueOf[request]) {
			if e.ObjectOld.GetUID() != e.ObjectNew.GetUID() {
				bring(ctx, e.ObjectNew.GetName(), q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queueOf[request]) {
			bring(ctx, e.Object.GetName(), q)
		},
	}
}
