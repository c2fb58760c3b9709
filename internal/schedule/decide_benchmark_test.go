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

// BenchmarkDecide has a budget: 100 µs for 100 clusters, 1 ms for 1,000, by room. "new" places a template, "kept" looks
// at one that stays where it is.
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
	strategies := map[string]*v1alpha1.Placement{"duplicated": {}, "weighted": weighted, "room": byAvailable(), "packed": aggregated()}
	for _, n := range []int{10, 100, 1000, 5000} {
		clusters := make([]*v1alpha1.Cluster, n)
		room := map[string]Room{}
		for i := range clusters {
			clusters[i] = benchmarkCluster(i)
			room[clusters[i].Name] = Room{Replicas: int32(i%40) + 5, Shortage: "too little cpu"}
		}
		for name, p := range strategies {
			benchmarkPlacement(b, fmt.Sprintf("%s/plain/clusters=%d", name, n), p, clusters, room)
			constrained := spread(spread(p, "region", 2, 5), "cluster", 2, 20)
			benchmarkPlacement(b, fmt.Sprintf("%s/spread/clusters=%d", name, n), constrained, clusters, room)
		}
	}
}

func benchmarkPlacement(b *testing.B, name string, p *v1alpha1.Placement, clusters []*v1alpha1.Cluster, room map[string]Room) {
	b.Helper()
	in := Input{Binding: binding(60, p), Clusters: clusters, Room: room, Now: noon}
	first := Decide(in)
	if !first.Scheduled() {
		b.Fatal(first.Message)
	}
	kept := in
	kept.Binding = in.Binding.DeepCopy()
	kept.Binding.Clusters, kept.Memory = first.Clusters, first.Memory
	for moment, in := range map[string]Input{"new": in, "kept": kept} {
		b.Run(name+"/"+moment, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(in)
			}
		})
	}
}
