package specchange

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func policy(uid types.UID, generation int64, version string) *v1alpha1.PropagationPolicy {
	return &v1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: generation, ResourceVersion: version}}
}

func TestAnUpdateShowsAnotherSpec(t *testing.T) {
	tests := map[string]struct {
		after *v1alpha1.PropagationPolicy
		want  bool
	}{
		"when it was edited":                        {policy("a", 2, "8"), true},
		"not when only its status or labels differ": {policy("a", 1, "8"), false},
		"when it was deleted and created again":     {policy("b", 1, "8"), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			update := event.UpdateEvent{ObjectOld: policy("a", 1, "7"), ObjectNew: tc.after}
			if got := Predicate().Update(update); got != tc.want {
				t.Errorf("the predicate lets it pass: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestWhatIsNoUpdatePasses(t *testing.T) {
	p := Predicate()
	if !p.Create(event.CreateEvent{}) || !p.Delete(event.DeleteEvent{}) || !p.Generic(event.GenericEvent{}) {
		t.Error("the predicate holds something back that is no update")
	}
}
