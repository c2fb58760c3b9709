package tainting

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// edit is what to do to the taints of a cluster.
type edit struct {
	// add are taints that the cluster gets.
	add []corev1.Taint
	// remove are taints that it loses: those of the key, and of the effect unless that is empty.
	remove []corev1.Taint
	// overwrite lets add replace the value of a taint of the same key and effect.
	overwrite bool
	// lenient takes it that a taint to remove is not there.
	lenient bool
}

// isEdit tells an edit from the name of a cluster.
func isEdit(arg string) bool { return strings.ContainsAny(arg, "=:") || strings.HasSuffix(arg, "-") }

// parse reads edits as kubectl taint takes them: key=value:Effect, key:Effect, key:Effect- and key-.
func parse(args []string) (edit, error) {
	var e edit
	for _, arg := range args {
		text, removes := strings.CutSuffix(arg, "-")
		pair, effect, hasEffect := strings.Cut(text, ":")
		key, value, hasValue := strings.Cut(pair, "=")
		taint := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
		switch {
		case removes && hasValue:
			return e, fmt.Errorf("%q: to remove a taint, name its key, or its key and effect: %s-", arg, key)
		case !removes && !hasEffect:
			return e, fmt.Errorf("%q has no effect: add :%s or :%s", arg, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
		}
		if err := check(arg, taint, hasEffect, removes); err != nil {
			return e, err
		}
		if removes {
			e.remove = append(e.remove, taint)
			continue
		}
		if slices.ContainsFunc(e.add, same(taint)) {
			return e, fmt.Errorf("%q: the key %s is given twice with the effect %s", arg, key, effect)
		}
		e.add = append(e.add, taint)
	}
	for _, taint := range e.add {
		if slices.ContainsFunc(e.remove, covers(taint)) {
			return e, fmt.Errorf("the taint %s:%s is both added and removed", taint.Key, taint.Effect)
		}
	}
	if len(e.add)+len(e.remove) == 0 {
		return e, errors.New("name at least one taint, such as key=value:NoSchedule to add it, or key- to remove it")
	}
	return e, nil
}

func check(arg string, taint corev1.Taint, hasEffect, removes bool) error {
	if problems := validation.IsQualifiedName(taint.Key); len(problems) > 0 {
		return fmt.Errorf("%q: the key %q is not valid: %s", arg, taint.Key, strings.Join(problems, "; "))
	}
	if problems := validation.IsValidLabelValue(taint.Value); len(problems) > 0 {
		return fmt.Errorf("%q: the value %q is not valid: %s", arg, taint.Value, strings.Join(problems, "; "))
	}
	if hasEffect && taint.Effect != corev1.TaintEffectNoSchedule && taint.Effect != corev1.TaintEffectNoExecute {
		return fmt.Errorf("%q: the effect must be %s or %s", arg, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
	}
	if !removes && v1alpha1.IsHealthTaint(taint.Key) {
		return fmt.Errorf("%q: the manager alone adds %s, when a cluster's health demands it", arg, taint.Key)
	}
	return nil
}

func same(a corev1.Taint) func(corev1.Taint) bool {
	return func(b corev1.Taint) bool { return a.Key == b.Key && a.Effect == b.Effect }
}

// covers is true for a removal that concerns a taint.
func covers(taint corev1.Taint) func(corev1.Taint) bool {
	return func(removal corev1.Taint) bool {
		return removal.Key == taint.Key && (removal.Effect == "" || removal.Effect == taint.Effect)
	}
}

// result is what an edit did, in kubectl's words.
type result string

const (
	unchanged result = "unchanged"
	tainted   result = "tainted"
	untainted result = "untainted"
	modified  result = "modified"
)

// apply gives the taints that a cluster has after the edit, and says what it did. Taints that it adds begin now; one that is there
// keeps its time.
func (e edit) apply(taints []corev1.Taint, now metav1.Time) ([]corev1.Taint, result, error) {
	next, missing := e.without(taints)
	did := unchanged
	if len(next) < len(taints) {
		did = untainted
	}
	for _, taint := range e.add {
		at := slices.IndexFunc(next, same(taint))
		switch {
		case at < 0:
			taint.TimeAdded = &now
			next = append(next, taint)
			did = did.and(tainted)
		case next[at].Value == taint.Value:
		case !e.overwrite:
			return nil, "", fmt.Errorf("already has the taint %s with the value %q: use --overwrite to change it", text(taint), next[at].Value)
		default:
			next[at].Value = taint.Value
			did = did.and(modified)
		}
	}
	if did == unchanged && len(missing) > 0 && !e.lenient {
		return nil, "", fmt.Errorf("has no taint %s", strings.Join(missing, ", "))
	}
	return next, did, nil
}

// without gives the taints without those that the edit removes, and names those that are not there.
func (e edit) without(taints []corev1.Taint) (next []corev1.Taint, missing []string) {
	next = slices.Clone(taints)
	for _, removal := range e.remove {
		before := len(next)
		next = slices.DeleteFunc(next, func(t corev1.Taint) bool { return covers(t)(removal) })
		if before == len(next) {
			missing = append(missing, text(removal))
		}
	}
	return next, missing
}

// and is what was done when something else was done, too.
func (r result) and(other result) result {
	if r == unchanged || r == other {
		return other
	}
	return modified
}

func text(t corev1.Taint) string {
	if t.Effect == "" {
		return t.Key
	}
	return t.Key + ":" + string(t.Effect)
}
