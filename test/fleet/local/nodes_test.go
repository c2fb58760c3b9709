package local_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

func TestNodesOfAMemberComeAndGoWithTheirPods(t *testing.T) {
	member := bed.Fleet(t).Member("member1")
	before, err := member.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size, err := local.ParseNodeSize("cpu=1,example.com/gpu=2")
	if err != nil {
		t.Fatal(err)
	}
	if err := member.AddNode(t.Context(), "extra", size); err != nil {
		t.Fatal(err)
	}
	after, err := member.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(append(slices.Clone(before), "extra"))), after); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}

	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "gpu"}, Spec: podTemplate("gpu").Spec}
	pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"example.com/gpu": size["example.com/gpu"]}
	if err := member.Client().Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	local.Eventually(t, soon, func(ctx context.Context) error {
		if err := member.Client().Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Spec.NodeName != "extra" || pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("the pod is %s on node %q, want it to run on extra", pod.Status.Phase, pod.Spec.NodeName)
		}
		return nil
	})
	for _, closed := range []bool{true, false} {
		if err := member.Cordon(t.Context(), "extra", closed); err != nil {
			t.Fatal(err)
		}
		node := &corev1.Node{}
		if err := member.Client().Get(t.Context(), client.ObjectKey{Name: "extra"}, node); err != nil {
			t.Fatal(err)
		}
		if node.Spec.Unschedulable != closed {
			t.Errorf("node extra is closed: %t, want %t", node.Spec.Unschedulable, closed)
		}
	}

	if err := member.RemoveNode(t.Context(), "extra"); err != nil {
		t.Fatal(err)
	}
	if err := member.Client().Get(t.Context(), client.ObjectKeyFromObject(pod), pod); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the pod outlives its node: %v", err)
	}
	if left, err := member.Nodes(t.Context()); err != nil || cmp.Diff(before, left) != "" {
		t.Errorf("nodes are %v (%v), want %v", left, err, before)
	}
}
