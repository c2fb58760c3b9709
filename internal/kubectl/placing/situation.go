package placing

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// readClusters lists the members in the form in which the engine wants them.
func readClusters(ctx context.Context, c client.Reader) ([]*v1alpha1.Cluster, error) {
	list, err := hostcluster.Clusters(ctx, c)
	if err != nil {
		return nil, err
	}
	return pointersTo(list), nil
}

func pointersTo[T any](items []T) []*T {
	pointers := make([]*T, len(items))
	for i := range items {
		pointers[i] = &items[i]
	}
	return pointers
}

// readPolicies lists the policies that can select templates of a namespace; all of them with everywhere. Empty is the
// namespace of cluster-scoped templates.
func readPolicies(ctx context.Context, c client.Reader, namespace string, everywhere bool) ([]v1alpha1.Policy, error) {
	var namespaced v1alpha1.PropagationPolicyList
	if everywhere || namespace != "" {
		var options []client.ListOption
		if !everywhere {
			options = append(options, client.InNamespace(namespace))
		}
		if err := c.List(ctx, &namespaced, options...); err != nil {
			return nil, fmt.Errorf("listing the PropagationPolicies: %w", err)
		}
	}
	var global v1alpha1.ClusterPropagationPolicyList
	if err := c.List(ctx, &global); err != nil {
		return nil, fmt.Errorf("listing the ClusterPropagationPolicies: %w", err)
	}
	policies := make([]v1alpha1.Policy, 0, len(namespaced.Items)+len(global.Items))
	for i := range namespaced.Items {
		policies = append(policies, &namespaced.Items[i])
	}
	for i := range global.Items {
		policies = append(policies, &global.Items[i])
	}
	return policies, nil
}

// readBindings lists the bindings of a namespace, of cluster-scoped templates when it is empty; those of every template
// with everywhere.
func readBindings(ctx context.Context, c client.Reader, namespace string, everywhere bool) ([]v1alpha1.Binding, error) {
	if everywhere {
		return hostindex.AllBindings(ctx, c)
	}
	if namespace == "" {
		var list v1alpha1.ClusterResourceBindingList
		if err := c.List(ctx, &list); err != nil {
			return nil, fmt.Errorf("listing the ClusterResourceBindings: %w", err)
		}
		bindings := make([]v1alpha1.Binding, len(list.Items))
		for i := range list.Items {
			bindings[i] = &list.Items[i]
		}
		return bindings, nil
	}
	var list v1alpha1.ResourceBindingList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing the ResourceBindings of the namespace %s: %w", namespace, err)
	}
	bindings := make([]v1alpha1.Binding, len(list.Items))
	for i := range list.Items {
		bindings[i] = &list.Items[i]
	}
	return bindings, nil
}

// subjectOf is a binding as a calculation takes it. The spec is a copy.
func subjectOf(b v1alpha1.Binding) *subject {
	return &subject{spec: b.BindingSpec().DeepCopy(), memory: b.GetAnnotations()[v1alpha1.DecisionAnnotation]}
}

// subjectsOf are the bindings that are there to stay.
func subjectsOf(bindings []v1alpha1.Binding) []*subject {
	subjects := make([]*subject, 0, len(bindings))
	for _, b := range bindings {
		if b.GetDeletionTimestamp() == nil {
			subjects = append(subjects, subjectOf(b))
		}
	}
	return subjects
}

// bindingOf finds the binding of a template; nil when there is none.
func bindingOf(template v1alpha1.ObjectReference, bindings []v1alpha1.Binding) v1alpha1.Binding {
	for _, b := range bindings {
		if sameTemplate(b.BindingSpec().Resource, template) {
			return b
		}
	}
	return nil
}

func referenceTo(obj *unstructured.Unstructured) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{
		APIVersion: obj.GetAPIVersion(), Kind: obj.GetKind(), Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(),
	}
}

// seenBy is what policies see of a template.
func seenBy(obj *unstructured.Unstructured) policymatch.Template {
	return policymatch.Template{
		GVK: schema.FromAPIVersionAndKind(obj.GetAPIVersion(), obj.GetKind()), Namespace: obj.GetNamespace(), Name: obj.GetName(),
		Labels: obj.GetLabels(), Controlled: metav1.GetControllerOfNoCopy(obj) != nil,
	}
}
