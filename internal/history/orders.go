package history

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// LastChange is when somebody changed an object last, as the host's API server tells; changes of its status do not count.
func LastChange(obj metav1.Object) time.Time {
	last := obj.GetCreationTimestamp().Time
	for _, entry := range obj.GetManagedFields() {
		if entry.Subresource == "" && entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// Confirmed is when somebody said of a Cluster that the host is right, as the host's API server tells; zero when nobody did. What the annotation holds comes from users,
// whose clocks are not to be relied on. The time is that of the last change to all that a field manager owns, so this one has its own.
func Confirmed(cluster metav1.Object) time.Time {
	for _, entry := range cluster.GetManagedFields() {
		if entry.Manager != v1alpha1.ConfirmedManager || entry.Subresource != "" || entry.Time == nil || entry.FieldsV1 == nil {
			continue
		}
		var owned struct {
			Metadata struct {
				Annotations map[string]struct{} `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) != nil {
			continue // it owns something else in a form that the annotation does not have
		}
		if _, ok := owned.Metadata.Annotations["f:"+v1alpha1.ConfirmedAnnotation]; ok {
			return entry.Time.Time
		}
	}
	return time.Time{}
}
