package execution

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// TestABindingMattersOnceItIsComplete changes the binding of a ConfigMap that others require.
func TestABindingMattersOnceItIsComplete(t *testing.T) {
	bare := func(change func(*v1alpha1.ResourceBinding)) *v1alpha1.ResourceBinding {
		b := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Name: "settings", Generation: 1, UID: "1"}}
		change(b)
		return b
	}
	owned := func(b *v1alpha1.ResourceBinding) { b.OwnerReferences = []metav1.OwnerReference{{Name: "settings"}} }
	for name, tc := range map[string]struct {
		change            func(*v1alpha1.ResourceBinding)
		matters, complete bool
	}{
		"its status":              {func(b *v1alpha1.ResourceBinding) { b.ResourceVersion = "2" }, false, false},
		"its spec":                {func(b *v1alpha1.ResourceBinding) { b.Generation = 2 }, true, false},
		"another one of its name": {func(b *v1alpha1.ResourceBinding) { b.UID = "2" }, true, false},
		"its template owns it":    {owned, true, true},
		"a policy governs it": {func(b *v1alpha1.ResourceBinding) {
			b.Generation, b.Spec.Policy = 2, &v1alpha1.PolicyReference{Name: "web"}
		}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := bare(func(*v1alpha1.ResourceBinding) {}), bare(tc.change)
			if got := matters(before, after); got != tc.matters {
				t.Errorf("matters() = %v, want %v", got, tc.matters)
			}
			if got := described(after); got != tc.complete {
				t.Errorf("described() = %v, want %v", got, tc.complete)
			}
		})
	}
}

func TestWhatIsHeldGoesToNoMember(t *testing.T) {
	for name, tc := range map[string]struct {
		suspension *v1alpha1.BindingSuspension
		want       bool
	}{
		"nothing":           {},
		"held":              {&v1alpha1.BindingSuspension{Held: ptr.To(true)}, true},
		"suspended":         {&v1alpha1.BindingSuspension{Suspension: v1alpha1.Suspension{Dispatching: ptr.To(true)}}, true},
		"decisions stopped": {&v1alpha1.BindingSuspension{Scheduling: ptr.To(true)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rulesOf(&v1alpha1.BindingSpec{Suspension: tc.suspension}, "member1").Suspended; got != tc.want {
				t.Errorf("Suspended = %v, want %v", got, tc.want)
			}
		})
	}
}
