package builder

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// PolicyOption changes one thing about a policy.
type PolicyOption func(*v1alpha1.PropagationSpec)

// Selecting adds a selector for one object, or for every object of a kind when name is empty.
func Selecting(apiVersion, kind, name string) PolicyOption {
	return func(s *v1alpha1.PropagationSpec) {
		s.ResourceSelectors = append(s.ResourceSelectors, v1alpha1.ResourceSelector{APIVersion: apiVersion, Kind: kind, Name: name})
	}
}

// SelectingKind adds a selector for every object of a kind.
func SelectingKind(gvk schema.GroupVersionKind) PolicyOption {
	return Selecting(gvk.GroupVersion().String(), gvk.Kind, "")
}

// Clusters places on these clusters.
func Clusters(names ...string) PolicyOption {
	return func(s *v1alpha1.PropagationSpec) {
		s.Placement.ClusterAffinity = &v1alpha1.ClusterAffinity{ClusterNames: names}
	}
}

// Placing changes the placement.
func Placing(change func(*v1alpha1.Placement)) PolicyOption {
	return func(s *v1alpha1.PropagationSpec) { change(&s.Placement) }
}

// ClustersLabelled are the clusters with these labels.
func ClustersLabelled(labels map[string]string) *v1alpha1.ClusterAffinity {
	return &v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: labels}}
}

// ByRoom divides replicas by how many more each cluster has room for.
func ByRoom() PolicyOption {
	return Dividing(v1alpha1.ReplicaScheduling{
		ReplicaDivisionPreference: v1alpha1.Weighted,
		WeightPreference:          &v1alpha1.ClusterPreferences{DynamicWeight: v1alpha1.DynamicWeightByAvailableReplicas},
	})
}

// Aggregating divides replicas over as few clusters as have room.
func Aggregating() PolicyOption {
	return Dividing(v1alpha1.ReplicaScheduling{ReplicaDivisionPreference: v1alpha1.Aggregated})
}

// Dividing divides replicas.
func Dividing(how v1alpha1.ReplicaScheduling) PolicyOption {
	how.ReplicaSchedulingType = v1alpha1.Divided
	return Placing(func(p *v1alpha1.Placement) { p.ReplicaScheduling = &how })
}

// Weights divides replicas by static weights, in the order of the clusters' names given.
func Weights(weights map[string]int64) PolicyOption {
	return func(s *v1alpha1.PropagationSpec) {
		var list []v1alpha1.StaticClusterWeight
		for name, weight := range weights {
			list = append(list, v1alpha1.StaticClusterWeight{
				TargetCluster: v1alpha1.ClusterAffinity{ClusterNames: []string{name}}, Weight: weight,
			})
		}
		s.Placement.ReplicaScheduling = &v1alpha1.ReplicaScheduling{
			ReplicaSchedulingType:     v1alpha1.Divided,
			ReplicaDivisionPreference: v1alpha1.Weighted,
			WeightPreference:          &v1alpha1.ClusterPreferences{StaticWeightList: list},
		}
	}
}

// Overwriting takes foreign objects over.
func Overwriting() PolicyOption {
	return func(s *v1alpha1.PropagationSpec) { s.ConflictResolution = v1alpha1.ConflictOverwrite }
}

// Preserving keeps members' objects when the template is deleted.
func Preserving() PolicyOption {
	return func(s *v1alpha1.PropagationSpec) {
		yes := true
		s.PreserveResourcesOnDeletion = &yes
	}
}

// Policy is a PropagationPolicy that places on every cluster.
func Policy(namespace, name string, options ...PolicyOption) *v1alpha1.PropagationPolicy {
	p := &v1alpha1.PropagationPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PropagationPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
	}
	for _, option := range options {
		option(&p.Spec)
	}
	return p
}

// ClusterPolicy is a ClusterPropagationPolicy that places on every cluster.
func ClusterPolicy(name string, options ...PolicyOption) *v1alpha1.ClusterPropagationPolicy {
	p := &v1alpha1.ClusterPropagationPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ClusterPropagationPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
	}
	for _, option := range options {
		option(&p.Spec)
	}
	return p
}
