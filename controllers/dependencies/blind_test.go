package dependencies

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// serving is a host that has no templates, and serves one version of their kinds.
type serving struct {
	client.Reader
	version string
	asked   []string
}

func (s *serving) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, template := obj.(*metav1.PartialObjectMetadata); !template {
		return s.Reader.Get(ctx, key, obj, opts...)
	}
	gvk := obj.GetObjectKind().GroupVersionKind()
	s.asked = append(s.asked, gvk.GroupVersion().String())
	resource := schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}
	if gvk.GroupVersion().String() != s.version {
		return apierrors.NewGenericServerResponse(404, "get", resource, key.Name, "404 page not found", 0, true)
	}
	return apierrors.NewNotFound(resource, key.Name)
}

var budgets = schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}

// TestWhatIsGivenUpIsLookedForInTheVersionThatIsSought has a binding of a version that the host has ceased to serve.
func TestWhatIsGivenUpIsLookedForInTheVersionThatIsSought(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*testing.T, *bed)
		asked  []string
	}{
		"it is seen, and not wanted": {func(t *testing.T, b *bed) {
			b.templates.put(t, `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: budget}, spec: {selector: {matchLabels: {app: other}}}}`)
		}, nil},
		"it is gone": {func(_ *testing.T, b *bed) { b.templates.drop(budgets, "budget") }, []string{"policy/v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, owner("web", "m1"))
			b.templates.put(t, web, budget)
			b.watchAll()
			b.reconcile(t, webKey)
			b.change(t, keyOf(budgets, "budget"), func(binding *v1alpha1.ResourceBinding) { binding.Spec.Resource.APIVersion = "policy/v1beta1" })
			live := &serving{Reader: b.host, version: "policy/v1"}
			b.live = live
			tc.change(t, b)
			b.reconcile(t, webKey)
			b.expect(t, map[string][]v1alpha1.BindingSnapshot{})
			if diff := cmp.Diff(tc.asked, live.asked); diff != "" {
				t.Errorf("the host was asked in these versions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhoeverDeletesTheBindingOfWhatIsHiddenSetsTheRestFree is the way out for a kind that does not come back.
func TestWhoeverDeletesTheBindingOfWhatIsHiddenSetsTheRestFree(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, budget, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	b.templates.drop(budgets, "budget")
	b.templates.put(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}}`)
	b.live = &serving{Reader: b.host}
	b.reconcile(t, webKey)
	entry := []v1alpha1.BindingSnapshot{by("web", "m1")}
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": entry, "PodDisruptionBudget budget": entry})
	b.remove(t, keyOf(budgets, "budget"))
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{})
}

// TestAnOwnerThatKeepsAllBecauseSomethingIsHiddenIsToldOfWhenItLasts uninstalls a kind from the host, for some hours.
func TestAnOwnerThatKeepsAllBecauseSomethingIsHiddenIsToldOfWhenItLasts(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, budget, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	b.templates.drop(budgets, "budget")
	b.live = &serving{Reader: b.host}
	var told []int
	minute := 0
	ctx := log.IntoContext(t.Context(), funcr.New(func(string, string) { told = append(told, minute) }, funcr.Options{}))
	look := func() {
		t.Helper()
		if _, err := b.Reconcile(ctx, ctrl.Request{NamespacedName: webKey}); err != nil {
			t.Fatal(err)
		}
	}
	begun := b.clock.Now()
	for ; minute < 100; minute++ {
		b.clock.SetTime(begun.Add(time.Duration(minute) * time.Minute))
		look()
	}
	entry := []v1alpha1.BindingSnapshot{by("web", "m1")}
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": entry, "PodDisruptionBudget budget": entry})
	b.live = &serving{Reader: b.host, version: "policy/v1"}
	look()
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": entry})
	if diff := cmp.Diff([]int{1, 61}, told); diff != "" {
		t.Errorf("the minutes in which it was told (-want +got):\n%s", diff)
	}
	if len(b.blinds.owners) > 0 {
		t.Errorf("what is seen again is remembered as hidden: %v", b.blinds.owners)
	}
}
