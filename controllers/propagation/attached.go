package propagation

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// attached is what the templates say that require one which no policy selects: foreign objects are overwritten, and
// objects are kept, when one of them says so.
func attached(current *v1alpha1.BindingSpec) v1alpha1.BindingSpec {
	spec := v1alpha1.BindingSpec{}
	for i := range current.RequiredBy {
		if current.RequiredBy[i].ConflictResolution == v1alpha1.ConflictOverwrite {
			spec.ConflictResolution = v1alpha1.ConflictOverwrite
		}
		if current.RequiredBy[i].PreserveResourcesOnDeletion {
			spec.PreserveResourcesOnDeletion = ptr.To(true)
		}
	}
	return spec
}

// attachedChanged says whether other rules follow from who requires a template.
func attachedChanged(before, after *v1alpha1.BindingSpec) bool {
	if !after.Attached() {
		return false
	}
	old, now := attached(before), attached(after)
	return !equality.Semantic.DeepEqual(&old, &now)
}
