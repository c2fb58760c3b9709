package specchange

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// Between says whether the spec of an object may differ between two of its versions: it was edited (a deletionTimestamp counts as an
// edit), or it is another object of the same name.
func Between(before, after metav1.Object) bool {
	return before.GetGeneration() != after.GetGeneration() || before.GetUID() != after.GetUID()
}

// Predicate lets those updates pass that Between calls changes, and everything but updates.
func Predicate() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld != nil && e.ObjectNew != nil && Between(e.ObjectOld, e.ObjectNew)
	}}
}
