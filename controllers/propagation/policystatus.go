package propagation

import (
	"cmp"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// kindFacts is what is known about a kind that a policy selects.
type kindFacts struct {
	watch         objectcache.State
	clusterScoped bool // known only once the watch has synced
}

// surroundings is what is known about a policy beside what it says itself.
type surroundings struct {
	kinds    map[schema.GroupVersionKind]kindFacts
	classes  map[string]int32 // the values of the PriorityClasses that it names, as far as they exist
	bindings int              // how many it governs
	// overrides are the names of the override policies that exist, as far as the policy depends on any.
	overrides sets.Set[string]
}

// verdict is the status of a condition, its reason and its message.
type verdict struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

// desiredStatus is what a policy's status should say.
func desiredStatus(policy v1alpha1.Policy, around surroundings, now time.Time) v1alpha1.PropagationStatus {
	before := policy.PropagationStatus().Conditions
	condition := func(conditionType string, v verdict) metav1.Condition {
		return conditions.Timed(before, metav1.Condition{
			Type: conditionType, Status: v.status, Reason: v.reason, Message: v.message,
			ObservedGeneration: policy.GetGeneration(), LastTransitionTime: metav1.NewTime(now),
		})
	}
	return v1alpha1.PropagationStatus{
		ObservedGeneration: policy.GetGeneration(),
		Bindings:           int32(around.bindings),
		Conditions: []metav1.Condition{
			condition(v1alpha1.ConditionReady, judge(policy, around)),
		},
	}
}

// judge says whether a policy's kinds are watched and what it names or asks for is there. The first thing that is wrong counts: first what the user
// must change in the policy, then what must change around it, then what only needs time.
func judge(policy v1alpha1.Policy, around surroundings) verdict {
	for _, check := range checks {
		for i, s := range policy.PropagationSpec().ResourceSelectors {
			if reason, message := check.ask(policy, s, around.kinds[s.GroupVersionKind()]); reason != "" {
				return verdict{check.status, reason, fmt.Sprintf("spec.resourceSelectors[%d]: %s", i, message)}
			}
		}
	}
	if problem := badState(policy.PropagationSpec().Failover); problem != "" {
		return verdict{metav1.ConditionFalse, v1alpha1.ReasonInvalidStatePreservation, problem}
	}
	if class := classOf(policy); class != "" {
		if _, exists := around.classes[class]; !exists {
			return verdict{metav1.ConditionFalse, v1alpha1.ReasonPriorityClassNotFound, fmt.Sprintf("spec.schedulePriority.priorityClassName: "+
				"the host has no PriorityClass %s, so that the priority is 0: create it, or name another one", class)}
		}
	}
	if missing := missingOverride(policy.PropagationSpec(), around.overrides); missing != "" {
		return verdict{metav1.ConditionFalse, v1alpha1.ReasonOverrideMissing, fmt.Sprintf("spec.dependentOverrides: there is no OverridePolicy or "+
			"ClusterOverridePolicy %s, so that templates wait for it: create it, or take the name off", missing)}
	}
	return verdict{metav1.ConditionTrue, v1alpha1.ReasonWatching, "every selected kind is watched"}
}

// checks are asked in order. status is what the condition Ready is when ask gives a reason.
var checks = []struct {
	status metav1.ConditionStatus
	ask    func(v1alpha1.Policy, v1alpha1.ResourceSelector, kindFacts) (reason, message string)
}{
	{metav1.ConditionFalse, checkLabels},
	{metav1.ConditionFalse, checkKind},
	{metav1.ConditionFalse, checkNamespace},
	{metav1.ConditionFalse, checkScope},
	{metav1.ConditionFalse, checkServed},
	{metav1.ConditionFalse, checkAllowed},
	{metav1.ConditionFalse, checkFailing},
	{metav1.ConditionUnknown, checkSynced},
}

func checkLabels(_ v1alpha1.Policy, s v1alpha1.ResourceSelector, _ kindFacts) (reason, message string) {
	if _, err := metav1.LabelSelectorAsSelector(s.LabelSelector); err != nil {
		return v1alpha1.ReasonInvalidSelector, fmt.Sprintf("the labelSelector selects nothing: %v", err)
	}
	return "", ""
}

func checkKind(_ v1alpha1.Policy, s v1alpha1.ResourceSelector, _ kindFacts) (reason, message string) {
	gvk := s.GroupVersionKind()
	switch {
	case gvk.Version == "":
		return v1alpha1.ReasonKindNotFound, fmt.Sprintf("apiVersion %q is not of the form group/version", s.APIVersion)
	case !policymatch.KindAllowed(gvk.GroupKind()):
		return v1alpha1.ReasonKindNotPropagated, kindText(s) + " is never propagated: every cluster makes its own"
	default:
		return "", ""
	}
}

func checkNamespace(p v1alpha1.Policy, s v1alpha1.ResourceSelector, _ kindFacts) (reason, message string) {
	if foreignNamespace(p, s) {
		return v1alpha1.ReasonNamespaceMismatch, fmt.Sprintf("selects nothing in namespace %s: a PropagationPolicy selects in its own namespace only, "+
			"use a ClusterPropagationPolicy for others", s.Namespace)
	}
	return "", ""
}

func checkScope(p v1alpha1.Policy, s v1alpha1.ResourceSelector, k kindFacts) (reason, message string) {
	if p.GetNamespace() != "" && k.clusterScoped {
		return v1alpha1.ReasonNamespaceMismatch, kindText(s) + " is cluster-scoped: use a ClusterPropagationPolicy"
	}
	return "", ""
}

func checkServed(_ v1alpha1.Policy, s v1alpha1.ResourceSelector, k kindFacts) (reason, message string) {
	if err := k.watch.Err; err != nil && (meta.IsNoMatchError(err) || apierrors.IsNotFound(err)) {
		return v1alpha1.ReasonKindNotFound, fmt.Sprintf("the host does not serve %s: check apiVersion and kind, or install it", kindText(s))
	}
	return "", ""
}

func checkAllowed(_ v1alpha1.Policy, s v1alpha1.ResourceSelector, k kindFacts) (reason, message string) {
	if err := k.watch.Err; err != nil && (apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)) {
		return v1alpha1.ReasonWatchForbidden, fmt.Sprintf("the manager may not watch %s: grant it get, list and watch (%v)", kindText(s), err)
	}
	return "", ""
}

func checkFailing(_ v1alpha1.Policy, s v1alpha1.ResourceSelector, k kindFacts) (reason, message string) {
	if k.watch.Err != nil {
		return v1alpha1.ReasonWatchStarting, fmt.Sprintf("cannot watch %s yet: %v", kindText(s), k.watch.Err)
	}
	return "", ""
}

func checkSynced(_ v1alpha1.Policy, s v1alpha1.ResourceSelector, k kindFacts) (reason, message string) {
	if !k.watch.Synced {
		return v1alpha1.ReasonWatchStarting, fmt.Sprintf("the watch of %s has not synced yet", kindText(s))
	}
	return "", ""
}

func kindText(s v1alpha1.ResourceSelector) string { return s.APIVersion + " " + s.Kind }

// stillStarting says whether the only news is that watches have not synced. Right after a restart that is so
// for every policy for a moment, and not worth two writes.
func stillStarting(before v1alpha1.PropagationStatus, want v1alpha1.PropagationStatus) bool {
	ready := meta.FindStatusCondition(want.Conditions, v1alpha1.ConditionReady)
	return ready.Status == metav1.ConditionUnknown &&
		before.ObservedGeneration == want.ObservedGeneration &&
		meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionReady) != nil
}

// badState is what is wrong with the first rule of a state preservation that cannot be followed. It is told now, because a
// failover is too late.
func badState(failover *v1alpha1.FailoverBehavior) string {
	if failover == nil {
		return ""
	}
	var application, cluster *v1alpha1.StatePreservation
	if failover.Application != nil {
		application = failover.Application.StatePreservation
	}
	if failover.Cluster != nil {
		cluster = failover.Cluster.StatePreservation
	}
	return cmp.Or(badRule("application", application), badRule("cluster", cluster))
}

func badRule(of string, preservation *v1alpha1.StatePreservation) string {
	if preservation == nil {
		return ""
	}
	for i := range preservation.Rules {
		if err := eviction.CheckPath(preservation.Rules[i].JSONPath); err != nil {
			return fmt.Sprintf("spec.failover.%s.statePreservation.rules[%d].jsonPath: %v: write it as in {.jobStatus.jobId}", of, i, err)
		}
	}
	return ""
}
