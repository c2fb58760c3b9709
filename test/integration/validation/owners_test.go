package validation

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// The fake client gets this wrong, so it takes a real API server to show it.
func TestThoseWhoAskTheSchedulerWriteOnlyTheirOwnFieldsOfABinding(t *testing.T) {
	typed := host(t)
	binding := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "owners"},
		Spec: v1alpha1.BindingSpec{
			Resource:  v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"},
			Replicas:  ptr.To[int32](6),
			Placement: &v1alpha1.Placement{ReplicaScheduling: &v1alpha1.ReplicaScheduling{ReplicaSchedulingType: v1alpha1.Divided}},
			Clusters:  []v1alpha1.TargetCluster{{Name: "member1", Replicas: ptr.To[int32](6)}},
		},
	}
	want := binding.Spec.DeepCopy()
	if err := typed.Create(t.Context(), binding, client.FieldOwner(objectpatch.PropagationOwner)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := typed.Delete(context.WithoutCancel(t.Context()), binding); err != nil {
			t.Error(err)
		}
	})
	expect := func(when string) {
		t.Helper()
		got := &v1alpha1.ResourceBinding{}
		if err := typed.Get(t.Context(), client.ObjectKeyFromObject(binding), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*want, got.Spec); diff != "" {
			t.Errorf("%s, spec (-want +got):\n%s", when, diff)
		}
	}
	apply := func(owner objectpatch.Owner, spec map[string]any) {
		t.Helper()
		if err := objectpatch.ApplySpec(t.Context(), typed, binding, owner, spec); err != nil {
			t.Fatal(err)
		}
	}
	at := metav1.NewTime(time.Unix(1_700_000_000, 0))
	limits, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&struct {
		ReplicaLimits []v1alpha1.ReplicaLimit `json:"replicaLimits"`
	}{[]v1alpha1.ReplicaLimit{{Cluster: "member1", MaxReplicas: 2, Since: at, Message: "no room"}}})
	if err != nil {
		t.Fatal(err)
	}

	apply(objectpatch.RebalanceOwner, map[string]any{"rescheduleTriggeredAt": at.UTC().Format(time.RFC3339)})
	want.RescheduleTriggeredAt = &at
	expect("asked to be placed anew")
	apply(objectpatch.DeschedulingOwner, limits)
	want.ReplicaLimits = []v1alpha1.ReplicaLimit{{Cluster: "member1", MaxReplicas: 2, Since: at, Message: "no room"}}
	expect("limited")
	apply(objectpatch.DeschedulingOwner, map[string]any{})
	want.ReplicaLimits = nil
	expect("no longer limited")

	gone := binding.DeepCopy()
	gone.Name, gone.UID = "gone", "gone-uid"
	if err := objectpatch.ApplySpec(t.Context(), typed, gone, objectpatch.RebalanceOwner, map[string]any{}); err == nil {
		t.Error("a binding that does not exist was made")
	}
}
