package eviction

import (
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Ended says whether what a binding has in a cluster is a Job that has come to its end there, Complete or Failed. It does not leave: elsewhere
// it would be run once more, and its record here would be lost.
func Ended(b v1alpha1.Binding, cluster string) bool {
	resource := b.BindingSpec().Resource
	if resource.GroupVersionKind().GroupKind() != (schema.GroupKind{Group: batchv1.GroupName, Kind: "Job"}) {
		return false
	}
	items := b.BindingStatus().AggregatedStatus
	at := slices.IndexFunc(items, func(item v1alpha1.AggregatedStatusItem) bool { return item.ClusterName == cluster })
	if at < 0 || items[at].Status == nil {
		return false
	}
	var status batchv1.JobStatus
	if json.Unmarshal(items[at].Status.Raw, &status) != nil {
		return false // what cannot be read says nothing
	}
	return slices.ContainsFunc(status.Conditions, func(c batchv1.JobCondition) bool {
		return (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue
	})
}
