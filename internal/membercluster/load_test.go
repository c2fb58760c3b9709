package membercluster

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/internal/capacity"
)

func newTestLoad(t *testing.T) *Load {
	t.Helper()
	l, err := newLoad(&rest.Config{Host: "https://member.invalid"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// podOf is a pod that needs a core and belongs to a controller.
func podOf(kind, name string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name + "-x", Labels: map[string]string{}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		}}}},
	}
	if kind != "" {
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: "owner", Controller: ptr.To(true)}}
	}
	for _, f := range change {
		f(pod)
	}
	return pod
}

func TestAPodIsCountedForWhatMadeIt(t *testing.T) {
	labelled := func(key, value string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Labels[key] = value } }
	tests := map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"nobody":                       {podOf("", "web"), ""},
		"a StatefulSet":                {podOf("StatefulSet", "db"), "shop/StatefulSet/db"},
		"a Job":                        {podOf("Job", "report"), "shop/Job/report"},
		"a Deployment, by its hash":    {podOf("ReplicaSet", "web-6d4c", labelled("pod-template-hash", "6d4c")), "shop/Deployment/web"},
		"a Rollout, by its hash":       {podOf("ReplicaSet", "web-6d4c", labelled("rollouts-pod-template-hash", "6d4c")), "shop/Rollout/web"},
		"a ReplicaSet of its own":      {podOf("ReplicaSet", "web-6d4c"), "shop/ReplicaSet/web-6d4c"},
		"a ReplicaSet of another hash": {podOf("ReplicaSet", "web-6d4c", labelled("pod-template-hash", "other")), "shop/ReplicaSet/web-6d4c"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := workloadOf(tc.pod); got != tc.want {
				t.Errorf("workloadOf() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAPodIsStuckWhenTheSchedulerSaysSo(t *testing.T) {
	since := metav1.NewTime(time.Unix(1_700_000_000, 0))
	unschedulable := func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "no room", LastTransitionTime: since,
		}}
	}
	gated := func(p *corev1.Pod) { unschedulable(p); p.Status.Conditions[0].Reason = corev1.PodReasonSchedulingGated }
	deleting := func(p *corev1.Pod) { p.DeletionTimestamp = &since }
	bound := func(p *corev1.Pod) { p.Spec.NodeName = "node" }
	stuck := podOf("ReplicaSet", "web", unschedulable)
	want := &StuckPod{Namespace: "shop", Controller: stuck.OwnerReferences[0], Since: since.Time, Message: "no room"}
	if diff := cmp.Diff(want, stuckPod(stuck)); diff != "" {
		t.Errorf("stuckPod() (-want +got):\n%s", diff)
	}
	for name, pod := range map[string]*corev1.Pod{
		"without a word":       podOf("ReplicaSet", "web"),
		"behind a gate":        podOf("ReplicaSet", "web", gated),
		"that goes":            podOf("ReplicaSet", "web", unschedulable, deleting),
		"that found a node":    podOf("ReplicaSet", "web", unschedulable, bound),
		"that nobody replaces": podOf("", "web", unschedulable),
	} {
		if got := stuckPod(pod); got != nil {
			t.Errorf("a pod %s is stuck: %+v", name, got)
		}
	}
}

func TestOnlyWhatTheRoomDependsOnIsAChange(t *testing.T) {
	l := newTestLoad(t)
	transform := func(obj any) any {
		t.Helper()
		var kept any
		var err error
		switch obj.(type) {
		case *corev1.Pod:
			kept, err = l.transformPod(obj)
		case *corev1.Node:
			kept, err = transformNode(obj)
		}
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	node := func(heartbeat int64, cpu string) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "node", ResourceVersion: cpu},
			Status: corev1.NodeStatus{
				Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourcePods: resource.MustParse("9")},
				Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Unix(heartbeat, 0)}},
			},
		}
	}
	running := podOf("Job", "a", func(p *corev1.Pod) { p.Spec.NodeName = "node"; p.Status.Phase = corev1.PodRunning })
	tests := map[string]struct {
		old, now any
		same     bool
	}{
		"a heartbeat":                    {node(1, "4"), node(2, "4"), true},
		"a node that grows":              {node(1, "4"), node(1, "8"), false},
		"a pod that finds its node":      {podOf("Job", "a"), running, false},
		"a pod's status":                 {running, podOf("Job", "a", func(p *corev1.Pod) { p.Spec.NodeName = "node" }), true},
		"a pod that is another's sequel": {running, podOf("Job", "b", func(p *corev1.Pod) { p.Spec.NodeName = "node" }), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := sameLoad(transform(tc.old), transform(tc.now)); got != tc.same {
				t.Errorf("sameLoad() = %t, want %t", got, tc.same)
			}
		})
	}
	table := tableOf(1, []any{transform(node(1, "4"))}, []any{transform(running), transform(podOf("Job", "a"))}, nil)
	if room, _ := table.Room(capacity.Compile(nil), math.MaxInt32); room != 7 {
		t.Errorf("room for %d pods beside two of nine, want 7", room)
	}
	if pods, known := table.Pods("shop/Job/a"); pods != 2 || !known {
		t.Errorf("the Job has %d pods (known: %t), want 2", pods, known)
	}
}

func TestPodsOfOneWorkloadShareTheirClass(t *testing.T) {
	l := newTestLoad(t)
	if first, second := l.class(podOf("Job", "a")), l.class(podOf("Job", "a")); first != second {
		t.Error("equal pods have classes of their own")
	}
	if l.class(podOf("Job", "a")) == l.class(podOf("Job", "a", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"a": "b"} })) {
		t.Error("pods that ask for other nodes share a class")
	}
}
