package interpretation

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// maxSaid bounds a message, which may quote the compiler about eight expressions.
const maxSaid = 8192

// tell writes the statuses that differ.
func (r *Reconciler) tell(ctx context.Context) error {
	var list v1alpha1.ResourceInterpreterList
	if err := r.client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing resource interpreters: %w", err)
	}
	for i := range list.Items {
		ri := &list.Items[i]
		known, ok := r.lessons[ri.UID]
		if !ok || known.generation != ri.Generation {
			continue // its event is on its way
		}
		want := statusOf(ri, known, r.table.Conflicts(known.meaning), r.clock.Now())
		if equality.Semantic.DeepEqual(ri.Status, want) {
			continue
		}
		if err := objectpatch.ApplyStatus(ctx, r.client, ri, objectpatch.InterpretationOwner, &want); client.IgnoreNotFound(err) != nil {
			return err
		}
		for _, now := range want.Conditions {
			r.tellTurn(ri, now)
		}
	}
	return nil
}

// tellTurn tells of what turned bad; the condition EvaluationFailed is bad when it is there.
func (r *Reconciler) tellTurn(ri *v1alpha1.ResourceInterpreter, now metav1.Condition) {
	bad := conditions.TurnedBad(ri.Status.Conditions, now)
	if now.Type == v1alpha1.ConditionEvaluationFailed {
		bad = meta.FindStatusCondition(ri.Status.Conditions, now.Type) == nil
	}
	if bad {
		r.events.Eventf(ri, nil, corev1.EventTypeWarning, now.Reason, "Interpret", "%s", conditions.Shorten(now.Message, conditions.MaxNote))
	}
}

func statusOf(ri *v1alpha1.ResourceInterpreter, l lesson, conflicts []taught.Problem, now time.Time) v1alpha1.ResourceInterpreterStatus {
	status := v1alpha1.ResourceInterpreterStatus{ObservedGeneration: ri.Generation}
	for _, operation := range taught.Operations {
		if l.meaning.Teaches(operation) {
			status.Operations = append(status.Operations, string(operation))
		}
	}
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTaught,
		Message: "taught: " + strings.Join(status.Operations, ", ")}
	switch {
	case len(l.problems) > 0:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalidExpression, said(l.problems)
	case len(conflicts) > 0:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonAlreadyTaught, said(conflicts)
	case len(status.Operations) == 0:
		ready.Message = "nothing is taught"
	}
	status.Conditions = []metav1.Condition{ready}
	if failure := l.meaning.Failure(); failure != "" {
		status.Conditions = append(status.Conditions, metav1.Condition{Type: v1alpha1.ConditionEvaluationFailed,
			Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonEvaluationFailed, Message: conditions.Shorten(failure, maxSaid)})
	}
	for i := range status.Conditions {
		c := &status.Conditions[i]
		c.ObservedGeneration, c.LastTransitionTime = ri.Generation, metav1.NewTime(now.Truncate(time.Second))
		*c = conditions.Timed(ri.Status.Conditions, *c)
	}
	return status
}

func said(problems []taught.Problem) string {
	sentences := make([]string, len(problems))
	for i, p := range problems {
		sentences[i] = p.String()
	}
	return conditions.Shorten(strings.Join(sentences, "; "), maxSaid)
}
