package execution

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// parseBinding reads a binding mark, "namespace/name" with an empty namespace for cluster-scoped ones.
func parseBinding(mark string) (types.NamespacedName, bool) {
	namespace, name, ok := strings.Cut(mark, "/")
	if !ok || name == "" {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, true
}

// targetOf is a cluster's entry in a binding's decision; nil when it has none.
func targetOf(binding v1alpha1.Binding, cluster string) *v1alpha1.TargetCluster {
	targets := binding.BindingSpec().Clusters
	for i := range targets {
		if targets[i].Name == cluster {
			return &targets[i]
		}
	}
	return nil
}
