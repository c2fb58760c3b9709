package eviction

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

func binding(name string, clusters ...string) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.BindingSpec{
			Resource:  v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: namespace, Name: name, UID: "some-uid"},
			Placement: &v1alpha1.Placement{}, Replicas: ptr.To[int32](2),
		},
	}
	for _, c := range clusters {
		b.Spec.Clusters = append(b.Spec.Clusters, v1alpha1.TargetCluster{Name: c, Replicas: ptr.To[int32](2)})
	}
	return b
}

func taints(t *testing.T, host *local.Cluster, name string, taints ...corev1.Taint) {
	t.Helper()
	expect.Change(t, host, named(name), func(c *v1alpha1.Cluster) { c.Spec.Taints = taints })
}

func evicting(key string) corev1.Taint {
	return corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute, TimeAdded: ptr.To(metav1.NewTime(time.Now().Truncate(time.Second)))}
}

// moves replaces spec.clusters, as the scheduler does.
func moves(t *testing.T, host *local.Cluster, b *v1alpha1.ResourceBinding, to string) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"clusters":[{"name":%q,"replicas":2}]}}`, to)
	if err := host.Client().Patch(t.Context(), binding(b.Name), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(objectpatch.SchedulingOwner)); err != nil {
		t.Fatal(err)
	}
}

// has is a check for a binding's tasks, as "cluster reason".
func has(want ...string) func(*v1alpha1.ResourceBinding) error {
	return func(b *v1alpha1.ResourceBinding) error {
		var got []string
		for _, task := range b.Spec.GracefulEvictionTasks {
			got = append(got, task.FromCluster+" "+task.Reason)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("tasks (-want +got):\n%s", diff)
		}
		return nil
	}
}

func TestADrainedClusterIsAskedForUntilItIsLeft(t *testing.T) {
	host := setUp(t)
	web, other := binding("web", "one"), binding("other", "two")
	expect.Create(t, host, web, other)
	taints(t, host, "one", evicting(v1alpha1.DrainTaint))
	expect.Seen(t, host, binding("web"), has("one Drained"))
	expect.Seen(t, host, binding("other"), has())
	moves(t, host, web, "three")
	expect.Seen(t, host, binding("web"), has())
}

func TestTheAnswerOfAUserStaysAndDoesNotKeepTheTaskFromEnding(t *testing.T) {
	host := setUp(t)
	web := binding("web", "one")
	expect.Create(t, host, web)
	taints(t, host, "one", evicting("broken"))
	expect.Seen(t, host, binding("web"), has("one TaintUntolerated"))
	for _, owner := range []client.FieldOwner{"kubectl-edit", "somebody"} {
		expect.Change(t, host, binding("web"), func(b *v1alpha1.ResourceBinding) {
			b.Spec.GracefulEvictionTasks[0].SuppressDeletion = ptr.To(owner == "kubectl-edit")
		})
	}
	// Another task is written into the list that the user has answered.
	expect.Change(t, host, binding("web"), func(b *v1alpha1.ResourceBinding) {
		b.Spec.Clusters = append(b.Spec.Clusters, v1alpha1.TargetCluster{Name: "two", Replicas: ptr.To[int32](2)})
	})
	taints(t, host, "two", evicting("broken"))
	expect.Seen(t, host, binding("web"), func(b *v1alpha1.ResourceBinding) error {
		if err := has("one TaintUntolerated", "two TaintUntolerated")(b); err != nil {
			return err
		}
		if answer := b.Spec.GracefulEvictionTasks[0].SuppressDeletion; answer == nil || *answer {
			t.Fatalf("suppressDeletion = %v, want it as the user wrote it", answer)
		}
		return nil
	})
	moves(t, host, web, "three")
	expect.Seen(t, host, binding("web"), has())
}

func TestTasksOfOthersStay(t *testing.T) {
	host := setUp(t)
	web := binding("web", "one", "two")
	web.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{{FromCluster: "two", Reason: "Maintenance", Producer: "somebody"}}
	expect.Create(t, host, web)
	taints(t, host, "one", evicting(v1alpha1.DrainTaint))
	expect.Seen(t, host, binding("web"), has("one Drained", "two Maintenance"))
	taints(t, host, "one")
	expect.Seen(t, host, binding("web"), has("two Maintenance"))
}

func TestALostMemberIsLeftAfterItsTimeUnlessMostAreLost(t *testing.T) {
	host := setUp(t)
	expect.Create(t, host, binding("web", "one"))
	report(t, host, "one", metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable)
	report(t, host, "two", metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable)
	report(t, host, "three", metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable)
	taints(t, host, "one", evicting(v1alpha1.UnreachableTaint))
	held := time.Now().Add(2 * patience)
	expect.Eventually(t, "twice the time of the default toleration", func(context.Context) error {
		b := binding("web")
		if err := host.Client().Get(t.Context(), client.ObjectKeyFromObject(b), b); err != nil {
			return err
		}
		if err := has()(b); err != nil {
			t.Fatalf("while most are lost: %v", err)
		}
		if time.Now().Before(held) {
			return errors.New("not yet")
		}
		return nil
	})
	report(t, host, "two", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	report(t, host, "three", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	expect.Seen(t, host, binding("web"), has("one TaintUntolerated"))
}

func TestAFailedApplicationLeavesWithItsState(t *testing.T) {
	host := setUp(t)
	web := binding("web", "one")
	web.Spec.Failover = &v1alpha1.FailoverBehavior{Application: &v1alpha1.ApplicationFailoverBehavior{
		PurgeMode: v1alpha1.PurgeNever, DecisionConditions: v1alpha1.DecisionConditions{TolerationSeconds: ptr.To[int32](1)},
		StatePreservation: &v1alpha1.StatePreservation{Rules: []v1alpha1.StatePreservationRule{
			{AliasLabelName: "state/job", JSONPath: "{.job}"}, {AliasAnnotationName: "state/at", JSONPath: ".savepoint.path"}, {AliasLabelName: "none", JSONPath: ".none"},
		}},
	}}
	expect.Create(t, host, web)
	err := objectpatch.ApplyStatus(t.Context(), host.Client(), web, objectpatch.AggregationOwner, &v1alpha1.BindingStatus{
		AggregatedStatus: []v1alpha1.AggregatedStatusItem{{
			ClusterName: "one", Health: v1alpha1.Unhealthy, UnhealthySince: ptr.To(metav1.NewTime(time.Now().Truncate(time.Second))),
			Status: &runtime.RawExtension{Raw: []byte(`{"job": "17", "savepoint": {"path": "s3://here/there"}}`)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	expect.Seen(t, host, binding("web"), has("one ApplicationFailure"))
	expect.Seen(t, host, binding("web"), func(b *v1alpha1.ResourceBinding) error {
		got := b.Spec.GracefulEvictionTasks[0]
		got.CreationTimestamp, got.Message = nil, ""
		want := v1alpha1.GracefulEvictionTask{
			FromCluster: "one", Reason: v1alpha1.ReasonApplicationFailure, Producer: "flotilla-eviction", PurgeMode: v1alpha1.PurgeNever, Replicas: ptr.To[int32](2),
			SuppressDeletion: ptr.To(true), ClustersBeforeFailover: []string{"one"},
			PreservedLabelState: map[string]string{"state/job": "17"}, PreservedAnnotationState: map[string]string{"state/at": "s3://here/there"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("task (-want +got):\n%s", diff)
		}
		return nil
	})
	var list corev1.EventList
	expect.Eventually(t, "an event that tells what is lost", func(ctx context.Context) error {
		if err := host.Client().List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{"reason": "StateNotPreserved"}); err != nil {
			return err
		}
		if len(list.Items) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
}

func TestTheSamplesAreValid(t *testing.T) {
	host := setUp(t)
	out, err := exec.CommandContext(t.Context(), bed.Fleet(t).Program("kubectl"), "--kubeconfig", host.Kubeconfig, "--namespace", namespace,
		"apply", "--dry-run=server", "-f", "../../../config/samples/failover").CombinedOutput()
	if err != nil {
		t.Errorf("kubectl apply: %v\n%s", err, out)
	}
}
