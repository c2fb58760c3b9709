package schedule

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// benchmarkCluster serves 45 API groups and versions with 10 resources each, about what a cluster with a few
// operators serves.
func benchmarkCluster(i int) *v1alpha1.Cluster {
	c := cluster(fmt.Sprintf("member-%04d", i), in("aws", fmt.Sprintf("region-%d", i%10), "z1"))
	c.Labels["tier"] = fmt.Sprintf("tier-%d", i%4)
	if i%50 == 0 {
		c.Spec.Taints = []corev1.Taint{{Key: "maintenance", Effect: corev1.TaintEffectNoSchedule}}
	}
	c.Status.APIEnablements = nil
	for group := range 44 {
		enablement := v1alpha1.APIEnablement{GroupVersion: fmt.Sprintf("group%02d.example.com/v1", group)}
		for kind := range 10 {
			enablement.Resources = append(enablement.Resources, v1alpha1.APIResource{Kind: fmt.Sprintf("Kind%d", kind)})
		}
		c.Status.APIEnablements = append(c.Status.APIEnablements, enablement)
	}
	c.Status.APIEnablements = append(c.Status.APIEnablements, v1alpha1.APIEnablement{
		GroupVersion: "apps/v1", Resources: []v1alpha1.APIResource{{Kind: "StatefulSet"}, {Kind: "Deployment"}},
	})
	return c
}

// BenchmarkDecide has a budget: 100 µs for 100 clusters, 1 ms for 1,000.
func BenchmarkDecide(b *testing.B) {
	weighted := dividedBy(nil)
	weighted.ClusterAffinity = &v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"tier-3"}}},
	}}
	weighted.ReplicaScheduling.WeightPreference = &v1alpha1.ClusterPreferences{}
	for tier := range 3 {
		weighted.ReplicaScheduling.WeightPreference.StaticWeightList = append(weighted.ReplicaScheduling.WeightPreference.StaticWeightList, v1alpha1.StaticClusterWeight{
			TargetCluster: v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": fmt.Sprintf("tier-%d", tier)}}},
			Weight:        int64(tier + 1),
		})
	}
	placements := map[string]*v1alpha1.Placement{"duplicated": {}, "weighted": weighted}
	for _, n := range []int{100, 1000} {
		clusters := make([]*v1alpha1.Cluster, n)
		for i := range clusters {
			clusters[i] = benchmarkCluster(i)
		}
		for name, placement := range placements {
			b.Run(fmt.Sprintf("%s/clusters=%d", name, n), func(b *testing.B) {
				in := Input{Binding: binding(10_000, placement), Clusters: clusters}
				for b.Loop() {
					if d := Decide(in); !d.Scheduled() {
						b.Fatal(d.Message)
					}
				}
			})
		}
	}
}
