package execution

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestAnOverridePolicyIsTheSameOneWhileItsObjectAndItsGenerationAre(t *testing.T) {
	policy := func(uid types.UID, generation int64) *v1alpha1.OverridePolicy {
		return &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: generation}}
	}
	for name, tc := range map[string]struct {
		before, after any
		want          bool
	}{
		"only its status has changed":     {policy("a", 3), policy("a", 3), true},
		"it was edited":                   {policy("a", 3), policy("a", 4), false},
		"it was deleted and made anew":    {policy("a", 1), policy("b", 1), false},
		"what came is no override policy": {policy("a", 1), &v1alpha1.Cluster{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sameSpec(tc.before, tc.after); got != tc.want {
				t.Errorf("sameSpec() = %t, want %t", got, tc.want)
			}
		})
	}
}
