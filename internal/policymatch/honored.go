package policymatch

import (
	"fmt"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// NotHonored names the fields of a policy's spec that are set and have no effect in this version, as paths
// from the object's root, in the order of the API.
func NotHonored(spec *v1alpha1.PropagationSpec) []string {
	var paths []string
	add := func(set bool, path string) {
		if set {
			paths = append(paths, path)
		}
	}
	placement := &spec.Placement
	for i, toleration := range placement.ClusterTolerations {
		add(toleration.TolerationSeconds != nil, fmt.Sprintf("spec.placement.clusterTolerations[%d].tolerationSeconds", i))
	}
	add(spec.Failover != nil, "spec.failover")
	return paths
}
