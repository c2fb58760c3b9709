package overrides

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

const (
	// maxFailures and maxMessage are the schema's bounds of status.failures and of a message in it.
	maxFailures, maxMessage = 10, 1024
)

// facts is what is known about one policy.
type facts struct {
	policy v1alpha1.Override
	// invalid is what cannot be understood in the policy; nil for nothing.
	invalid error
	// matched is how many propagated templates it is for.
	matched int
	// failures are all of its failures.
	failures []v1alpha1.OverrideFailure
	now      time.Time
}

// desiredStatus is what a policy's status should say.
func desiredStatus(f facts) v1alpha1.OverrideStatus {
	slices.SortFunc(f.failures, func(a, b v1alpha1.OverrideFailure) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.Cluster, b.Cluster))
	})
	templates := map[string]bool{}
	for _, failure := range f.failures {
		templates[failure.Kind+" "+failure.Namespace+"/"+failure.Name] = true
	}
	condition := ready(f, len(templates))
	condition.ObservedGeneration, condition.LastTransitionTime = f.policy.GetGeneration(), metav1.NewTime(f.now.Truncate(time.Second))
	return v1alpha1.OverrideStatus{
		ObservedGeneration: f.policy.GetGeneration(),
		Matched:            int32(f.matched),
		Failed:             int32(len(templates)),
		Failures:           f.failures[:min(len(f.failures), maxFailures)],
		Conditions:         []metav1.Condition{conditions.Timed(f.policy.OverrideStatus().Conditions, condition)},
	}
}

func ready(f facts, failed int) metav1.Condition {
	condition := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse}
	switch {
	case f.invalid != nil:
		condition.Reason, condition.Message = v1alpha1.ReasonInvalidOverride, conditions.Shorten(f.invalid.Error(), conditions.MaxMessage)
	case failed > 0:
		first := f.failures[0]
		condition.Reason = v1alpha1.ReasonOverrideFailed
		condition.Message = fmt.Sprintf("fails for %d of %s, such as %s %s/%s in cluster %s: %s", failed, conditions.Count(f.matched, "template"),
			first.Kind, first.Namespace, first.Name, first.Cluster, first.Message)
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, v1alpha1.ReasonOverrideReady
		condition.Message = "is for " + conditions.Count(f.matched, "propagated template")
	}
	return condition
}
