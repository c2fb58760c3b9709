package taintplan

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/clustermatch"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

// rule says which taints policies want on which clusters, those of the oldest policy first, and what the policies' statuses
// are.
func rule(in Input, statuses map[string]v1alpha1.ClusterTaintPolicyStatus) map[string][]corev1.Taint {
	wanted := map[string][]corev1.Taint{}
	policies := slices.Clone(in.Policies)
	slices.SortFunc(policies, func(a, b v1alpha1.ClusterTaintPolicy) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for i := range policies {
		policy := &policies[i]
		if !policy.DeletionTimestamp.IsZero() {
			continue
		}
		status, tainted := obey(in, policy)
		statuses[policy.Name] = status
		for _, name := range tainted {
			for _, taint := range policy.Spec.Taints {
				wanted[name] = append(wanted[name], corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect})
			}
		}
	}
	return wanted
}

// obey says on which clusters a policy's taints are.
func obey(in Input, policy *v1alpha1.ClusterTaintPolicy) (v1alpha1.ClusterTaintPolicyStatus, []string) {
	status := v1alpha1.ClusterTaintPolicyStatus{ObservedGeneration: policy.Generation}
	affinity, err := clustermatch.Compile(policy.Spec.TargetClusters, "spec.targetClusters")
	switch {
	case err != nil:
		status.Conditions = ready(policy, metav1.ConditionFalse, v1alpha1.ReasonInvalidSelector, err.Error(), in.Now)
		return status, nil
	case !in.Failover:
		status.Conditions = ready(policy, metav1.ConditionFalse, v1alpha1.ReasonFailoverDisabled,
			"the policy has no effect, because the feature gate Failover is off", in.Now)
		return status, nil
	}
	var names []string
	for i := range in.Clusters {
		cluster := &in.Clusters[i]
		if !cluster.DeletionTimestamp.IsZero() || !affinity.Matches(cluster) {
			continue
		}
		status.MatchedClusters++
		if holds(&policy.Spec, cluster, tainted(policy, cluster, in.Owned[cluster.Name])) {
			names = append(names, cluster.Name)
		}
	}
	slices.Sort(names)
	status.TaintedClusters = int32(len(names))
	status.Clusters = names[:min(len(names), v1alpha1.MaxTaintedClusters)]
	message := "every cluster on which the conditions hold has the taints"
	if in.Verdict.Held() && slices.ContainsFunc(policy.Spec.Taints, func(t v1alpha1.PolicyTaint) bool { return t.Effect == corev1.TaintEffectNoExecute }) {
		message = "no more NoExecute taints are added for now: " + in.Verdict.Message
	}
	status.Conditions = ready(policy, metav1.ConditionTrue, v1alpha1.ReasonObeyed, message, in.Now)
	return status, names
}

// tainted says whether a policy's taints were on a cluster. The status has room for some of the clusters only; for others, where there are
// more, it is told by the taints themselves.
func tainted(policy *v1alpha1.ClusterTaintPolicy, cluster *v1alpha1.Cluster, owned map[Key]bool) bool {
	if slices.Contains(policy.Status.Clusters, cluster.Name) {
		return true
	}
	return int(policy.Status.TaintedClusters) > len(policy.Status.Clusters) && slices.ContainsFunc(policy.Spec.Taints, func(want v1alpha1.PolicyTaint) bool {
		return owned[Key{Key: want.Key, Effect: want.Effect}] && slices.ContainsFunc(cluster.Spec.Taints, func(t corev1.Taint) bool {
			return t.Key == want.Key && t.Effect == want.Effect && t.Value == want.Value
		})
	})
}

// holds says whether a policy's taints are on a cluster, given whether they were.
func holds(spec *v1alpha1.ClusterTaintPolicySpec, cluster *v1alpha1.Cluster, were bool) bool {
	switch {
	case match(spec.RemoveOnConditions, cluster):
		return false
	case match(spec.AddOnConditions, cluster):
		return true
	}
	return were && len(spec.RemoveOnConditions) > 0
}

// match is true when all of the conditions hold, and there is one.
func match(wanted []v1alpha1.ConditionMatch, cluster *v1alpha1.Cluster) bool {
	for _, want := range wanted {
		have := meta.FindStatusCondition(cluster.Status.Conditions, want.ConditionType)
		if have == nil || slices.Contains(want.StatusValues, have.Status) != (want.Operator == v1alpha1.ConditionIn) {
			return false
		}
	}
	return len(wanted) > 0
}

func ready(policy *v1alpha1.ClusterTaintPolicy, status metav1.ConditionStatus, reason, message string, now time.Time) []metav1.Condition {
	return []metav1.Condition{conditions.Timed(policy.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: status, Reason: reason, ObservedGeneration: policy.Generation,
		Message: conditions.Shorten(message, conditions.MaxMessage), LastTransitionTime: *stamp(now),
	})}
}
