package execution

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=clusters.flotilla.dev;clusterresourcebindings.flotilla.dev;clusterresourcetemplates.flotilla.dev;resourcebindings.flotilla.dev;resourcetemplates.flotilla.dev,verbs=get

var definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// definitions tells whether something goes because its definition does. Whoever deletes a definition deletes every object of its kind, but
// has not said a word about what runs in members.
type definitions struct {
	host client.Reader // past every cache: a definition goes before its objects do
}

// endClusters says whether Clusters leave with their definition.
func (d definitions) endClusters(ctx context.Context) (bool, error) {
	return d.end(ctx, "clusters", metav1.Time{})
}

// endBinding says whether a binding, nil when it is gone, goes with its definition, or with that of the wrapped templates that bindings
// follow from. Templates do not hold their definition up, so it may have been made anew in the meantime: then it is younger than the binding.
func (d definitions) endBinding(ctx context.Context, key types.NamespacedName, binding v1alpha1.Binding) (bool, error) {
	bindings, templates := "resourcebindings", "resourcetemplates"
	if key.Namespace == "" {
		bindings, templates = "clusterresourcebindings", "clusterresourcetemplates"
	}
	made := metav1.Time{}
	if binding != nil && binding.BindingSpec().Resource.Wrapper != "" {
		made = binding.GetCreationTimestamp()
	}
	if end, err := d.end(ctx, bindings, metav1.Time{}); err != nil || end {
		return end, err
	}
	return d.end(ctx, templates, made)
}

// end says whether a definition is gone, is being deleted, or is younger than what was made from it (zero when that is not known).
func (d definitions) end(ctx context.Context, plural string, made metav1.Time) (bool, error) {
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(definitionKind)
	name := plural + "." + v1alpha1.GroupVersion.Group
	err := d.host.Get(ctx, client.ObjectKey{Name: name}, definition)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("making sure that the definition %s stays: %w", name, err)
	}
	return definition.DeletionTimestamp != nil || !made.IsZero() && made.Before(&definition.CreationTimestamp), nil
}
