package expect

import (
	"fmt"
	"maps"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// Placement is how many replicas a binding's decision gives to each cluster. A template without replicas counts 0.
func Placement(binding v1alpha1.Binding) map[string]int32 {
	placed := map[string]int32{}
	for _, target := range binding.BindingSpec().Clusters {
		placed[target.Name] = ptr.Deref(target.Replicas, 0)
	}
	return placed
}

// Placed is a check for the decision of a binding: the replicas of each cluster, and how many are pending.
func Placed(want map[string]int32, pending int32) func(v1alpha1.Binding) error {
	return func(binding v1alpha1.Binding) error {
		got := Placement(binding)
		if !maps.Equal(want, got) || binding.BindingStatus().PendingReplicas != pending {
			return fmt.Errorf("it is placed as %v with %d pending, want %v with %d; its conditions: %v",
				got, binding.BindingStatus().PendingReplicas, want, pending, binding.BindingStatus().Conditions)
		}
		return nil
	}
}

// Runs waits until a Deployment is decided as wanted, has that many ready replicas in each of those members, and is
// in no other.
func Runs(t testing.TB, fleet *local.Fleet, template *appsv1.Deployment, want map[string]int32) {
	t.Helper()
	Seen(t, fleet.Host, Binding(template), Placed(want, 0))
	for _, member := range fleet.Members {
		copied := template.DeepCopy()
		n, chosen := want[member.Name]
		if !chosen {
			Gone(t, member, client.Object(copied))
			continue
		}
		Seen(t, member, copied, func(d *appsv1.Deployment) error {
			if *d.Spec.Replicas != n || d.Status.ReadyReplicas != n {
				return fmt.Errorf("%d of %d replicas are ready, want %d", d.Status.ReadyReplicas, *d.Spec.Replicas, n)
			}
			return nil
		})
	}
}
