package execution

import (
	"slices"
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

// names says whether a binding's decision names a cluster.
func names(binding v1alpha1.Binding, cluster string) bool {
	return slices.ContainsFunc(binding.BindingSpec().Clusters, func(target v1alpha1.TargetCluster) bool { return target.Name == cluster })
}
