package taintplan

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func when(kind string, operator v1alpha1.ConditionOperator, values ...metav1.ConditionStatus) v1alpha1.ConditionMatch {
	return v1alpha1.ConditionMatch{ConditionType: kind, Operator: operator, StatusValues: values}
}

// dark is a cluster with the condition Dark; without it when empty.
func dark(name string, status metav1.ConditionStatus, taints ...corev1.Taint) v1alpha1.Cluster {
	cluster := v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{Taints: taints}}
	if status != "" {
		cluster.Status.Conditions = []metav1.Condition{{Type: "Dark", Status: status}}
	}
	return cluster
}

func TestConditionsPutTaintsOnAndTakeThemOff(t *testing.T) {
	const yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	add := []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionIn, yes)}
	remove := []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionIn, no)}
	for name, tc := range map[string]struct {
		add, remove []v1alpha1.ConditionMatch
		status      metav1.ConditionStatus
		were, want  bool
	}{
		"the condition holds":                              {add: add, status: yes, want: true},
		"it does not":                                      {add: add, status: no},
		"it does no longer":                                {add: add, status: no, were: true},
		"it is gone":                                       {add: add, were: true},
		"between the two they stay off":                    {add: add, remove: remove, status: unknown},
		"between the two they stay on":                     {add: add, remove: remove, status: unknown, were: true, want: true},
		"even when the condition is gone":                  {add: add, remove: remove, were: true, want: true},
		"until the other holds":                            {add: add, remove: remove, status: no, were: true},
		"what removes wins":                                {add: add, remove: []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionNotIn, unknown)}, status: yes, were: true},
		"not in":                                           {add: []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionNotIn, no)}, status: yes, want: true},
		"not in, but it is":                                {add: []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionNotIn, no, yes)}, status: yes},
		"not in does not hold without the condition":       {add: []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionNotIn, no)}},
		"all must hold":                                    {add: append([]v1alpha1.ConditionMatch{when("Cold", v1alpha1.ConditionIn, yes)}, add...), status: yes},
		"no condition never holds":                         {status: yes},
		"nor does it remove: what is on stays, as it must": {add: add, remove: nil, status: yes, were: true, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := dark("berlin", tc.status)
			spec := v1alpha1.ClusterTaintPolicySpec{AddOnConditions: tc.add, RemoveOnConditions: tc.remove}
			if got := holds(&spec, &cluster, tc.were); got != tc.want {
				t.Errorf("holds() = %t, want %t", got, tc.want)
			}
		})
	}
}

func policy(name string, age time.Duration, taints ...v1alpha1.PolicyTaint) v1alpha1.ClusterTaintPolicy {
	return v1alpha1.ClusterTaintPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 2, CreationTimestamp: metav1.NewTime(start.Add(-age))},
		Spec: v1alpha1.ClusterTaintPolicySpec{
			AddOnConditions: []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionIn, metav1.ConditionTrue)}, Taints: taints,
		},
	}
}

func statusOf(status metav1.ConditionStatus, reason, message string, matched int32, clusters ...string) v1alpha1.ClusterTaintPolicyStatus {
	return v1alpha1.ClusterTaintPolicyStatus{
		ObservedGeneration: 2, MatchedClusters: matched, TaintedClusters: int32(len(clusters)), Clusters: clusters,
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message, ObservedGeneration: 2, LastTransitionTime: *stamp(start)}},
	}
}

func TestPoliciesTaintTheClustersThatTheyMatch(t *testing.T) {
	const obeyed = "every cluster on which the conditions hold has the taints"
	lamp := v1alpha1.PolicyTaint{Key: "lamp", Value: "off", Effect: noSchedule}
	in := Input{
		Clusters: []v1alpha1.Cluster{
			dark("athens", metav1.ConditionTrue, taint("lamp", noSchedule, -time.Hour)), // a user's
			dark("berlin", metav1.ConditionTrue, taint("lamp", noSchedule, -time.Hour)), // ours, from before
			dark("cairo", metav1.ConditionTrue),
			dark("delhi", metav1.ConditionFalse, taint("lamp", noSchedule, -time.Hour)), // ours, to go
			dark("essen", metav1.ConditionTrue),                                         // excluded
		},
		Owned: map[string]map[Key]bool{"berlin": {{Key: "lamp", Effect: noSchedule}: true}, "delhi": {{Key: "lamp", Effect: noSchedule}: true}},
		Policies: []v1alpha1.ClusterTaintPolicy{
			policy("young", time.Hour, v1alpha1.PolicyTaint{Key: "lamp", Value: "broken", Effect: noSchedule}),
			policy("old", 2*time.Hour, lamp, v1alpha1.PolicyTaint{Key: "door", Effect: noExecute}),
			policy("going", 3*time.Hour, v1alpha1.PolicyTaint{Key: "window", Effect: noSchedule}),
			policy("wrong", time.Minute, lamp),
		},
		Failover: true, Now: start,
	}
	for i := range in.Policies {
		in.Policies[i].Spec.TargetClusters = &v1alpha1.ClusterAffinity{ExcludeClusters: []string{"essen"}}
	}
	in.Policies[2].DeletionTimestamp = &metav1.Time{Time: start}
	in.Policies[3].Spec.TargetClusters = &v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"-": "-"}}}
	off := func(after time.Duration) corev1.Taint {
		return corev1.Taint{Key: "lamp", Value: "off", Effect: noSchedule, TimeAdded: stamp(start.Add(after))}
	}
	door := taint("door", noExecute, 0)
	got := Make(in)
	want := Plan{
		Clusters: map[string]ClusterPlan{
			"athens": {Taints: []corev1.Taint{door}}, "berlin": {Taints: []corev1.Taint{door, off(-time.Hour)}},
			"cairo": {Taints: []corev1.Taint{door, off(0)}}, "delhi": {}, "essen": {},
		},
		Policies: map[string]v1alpha1.ClusterTaintPolicyStatus{
			"young": statusOf(metav1.ConditionTrue, v1alpha1.ReasonObeyed, obeyed, 4, "athens", "berlin", "cairo"),
			"old":   statusOf(metav1.ConditionTrue, v1alpha1.ReasonObeyed, obeyed, 4, "athens", "berlin", "cairo"),
			"wrong": got.Policies["wrong"],
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Make() (-want +got):\n%s", diff)
	}
	if wrong := got.Policies["wrong"].Conditions; len(wrong) != 1 || wrong[0].Reason != v1alpha1.ReasonInvalidSelector {
		t.Errorf("a selector that cannot be parsed is reported as %v", wrong)
	}
}

func TestPoliciesWaitForTheGateAndForTheFleet(t *testing.T) {
	in := Input{
		Clusters: []v1alpha1.Cluster{dark("berlin", metav1.ConditionTrue, taint("door", noExecute, 0)), dark("cairo", metav1.ConditionTrue)},
		Owned:    map[string]map[Key]bool{"berlin": {{Key: "door", Effect: noExecute}: true}},
		Policies: []v1alpha1.ClusterTaintPolicy{policy("p", 0, v1alpha1.PolicyTaint{Key: "door", Effect: noExecute}, v1alpha1.PolicyTaint{Key: "lamp", Effect: noSchedule})},
		Verdict:  held, Failover: true, Now: start,
	}
	want := Plan{
		Clusters: map[string]ClusterPlan{
			"berlin": {Taints: []corev1.Taint{taint("door", noExecute, 0), taint("lamp", noSchedule, 0)}},
			"cairo":  {Taints: []corev1.Taint{taint("lamp", noSchedule, 0)}},
		},
		Policies: map[string]v1alpha1.ClusterTaintPolicyStatus{
			"p": statusOf(metav1.ConditionTrue, v1alpha1.ReasonObeyed, "no more NoExecute taints are added for now: all is lost", 2, "berlin", "cairo"),
		},
	}
	if diff := cmp.Diff(want, Make(in)); diff != "" {
		t.Errorf("held, Make() (-want +got):\n%s", diff)
	}
	in.Failover = false
	want = Plan{
		Clusters: map[string]ClusterPlan{"berlin": {}, "cairo": {}},
		Policies: map[string]v1alpha1.ClusterTaintPolicyStatus{
			"p": statusOf(metav1.ConditionFalse, v1alpha1.ReasonFailoverDisabled, "the policy has no effect, because the feature gate Failover is off", 0),
		},
	}
	if diff := cmp.Diff(want, Make(in)); diff != "" {
		t.Errorf("without the gate, Make() (-want +got):\n%s", diff)
	}
}

func TestAPolicyRemembersMoreClustersThanItsStatusNames(t *testing.T) {
	p := policy("lamps", time.Hour, v1alpha1.PolicyTaint{Key: "lamp", Value: "off", Effect: noSchedule})
	p.Spec.RemoveOnConditions = []v1alpha1.ConditionMatch{when("Dark", v1alpha1.ConditionIn, metav1.ConditionFalse)}
	in := Input{Policies: []v1alpha1.ClusterTaintPolicy{p}, Owned: map[string]map[Key]bool{}, Failover: true, Now: start}
	const many = v1alpha1.MaxTaintedClusters + 10
	for i := range many {
		in.Clusters = append(in.Clusters, dark(fmt.Sprintf("c%04d", i), metav1.ConditionTrue))
	}
	// First all of them are dark; then nobody knows, which changes nothing.
	for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionUnknown, metav1.ConditionUnknown} {
		for i := range in.Clusters {
			in.Clusters[i].Status.Conditions[0].Status = status
		}
		plan := Make(in)
		tainted := 0
		for i := range in.Clusters {
			cluster := &in.Clusters[i]
			cluster.Spec.Taints = plan.Clusters[cluster.Name].Taints
			in.Owned[cluster.Name] = all(*cluster)
			tainted += len(cluster.Spec.Taints)
		}
		in.Policies[0].Status = plan.Policies["lamps"]
		if got := in.Policies[0].Status; tainted != many || got.TaintedClusters != many || len(got.Clusters) != v1alpha1.MaxTaintedClusters {
			t.Fatalf("Dark=%s: %d clusters have the taint, %d by the status, which names %d; want %d", status, tainted, got.TaintedClusters, len(got.Clusters), many)
		}
	}
	in.Clusters = append(in.Clusters, dark("new", metav1.ConditionUnknown))
	if got := Make(in).Clusters["new"].Taints; len(got) > 0 {
		t.Errorf("a cluster on which the conditions never held has %v", got)
	}
}
