package cluster

import (
	"fmt"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
)

// refusal says why the member with this id must not be used as this Cluster; nil when it may. Its error is
// of type *memberprobe.ReasonedError.
func refusal(cluster *v1alpha1.Cluster, all []v1alpha1.Cluster, id, hostUID string) error {
	if id == hostUID {
		return &memberprobe.ReasonedError{Reason: v1alpha1.ReasonIsHost,
			Message: "the endpoint is the host cluster itself, which cannot be a member: delete this Cluster, or point it at another cluster"}
	}
	if cluster.Spec.ID != "" && cluster.Spec.ID != id {
		return &memberprobe.ReasonedError{Reason: v1alpha1.ReasonIDChanged,
			Message: fmt.Sprintf("the endpoint answers as cluster %s, but %s joined: correct the endpoint, or unjoin this Cluster and join the new one", id, cluster.Spec.ID)}
	}
	for i := range all {
		if rivals(cluster, &all[i], id) {
			return &memberprobe.ReasonedError{Reason: v1alpha1.ReasonAlreadyJoined,
				Message: fmt.Sprintf("this cluster has already joined as %q: delete one of the two Clusters", all[i].Name)}
		}
	}
	return nil
}

// rivals is true when the other Cluster is the same member and has the older right to it.
func rivals(cluster, other *v1alpha1.Cluster, id string) bool {
	if other.UID == cluster.UID || other.Spec.ID != id {
		return false
	}
	if cluster.Spec.ID == "" {
		return true
	}
	mine, theirs := cluster.CreationTimestamp, other.CreationTimestamp
	if mine.Equal(&theirs) {
		return other.Name < cluster.Name
	}
	return theirs.Before(&mine)
}

// isRefused is true when a member is not this Cluster's, so that nothing in it may be touched on its behalf.
func isRefused(fault *memberprobe.ReasonedError) bool {
	if fault == nil {
		return false
	}
	switch fault.Reason {
	case v1alpha1.ReasonIsHost, v1alpha1.ReasonIDChanged, v1alpha1.ReasonAlreadyJoined:
		return true
	}
	return false
}
