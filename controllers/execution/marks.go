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

// names says whether a binding wants its template in a cluster.
func names(binding v1alpha1.Binding, cluster string) bool {
	return binding.BindingSpec().HasTarget(cluster)
}
