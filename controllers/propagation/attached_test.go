package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var settings = Request{GVK: configMap, Key: types.NamespacedName{Namespace: "shop", Name: "settings"}}

// required is the binding of the ConfigMap settings as package dependencies makes it.
func required(by ...v1alpha1.BindingSnapshot) *v1alpha1.ResourceBinding {
	return &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: settings.binding().Name, Finalizers: []string{v1alpha1.BindingFinalizer}},
		Spec: v1alpha1.BindingSpec{
			Resource:   v1alpha1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "settings", UID: "settings-uid"},
			RequiredBy: by,
		},
	}
}

func TestWhatIsRequiredHasTheRulesOfThoseThatRequireIt(t *testing.T) {
	in := []v1alpha1.TargetCluster{{Name: "member1"}}
	plain := v1alpha1.BindingSnapshot{Namespace: "shop", Name: "a", Clusters: in}
	strong := v1alpha1.BindingSnapshot{Namespace: "shop", Name: "b", Clusters: in, ConflictResolution: v1alpha1.ConflictOverwrite, PreserveResourcesOnDeletion: true}
	for name, tc := range map[string]struct {
		by       []v1alpha1.BindingSnapshot
		conflict v1alpha1.ConflictResolution
		preserve *bool
	}{
		"no owner says anything": {by: []v1alpha1.BindingSnapshot{plain}},
		"one owner of two does":  {by: []v1alpha1.BindingSnapshot{plain, strong}, conflict: v1alpha1.ConflictOverwrite, preserve: ptr.To(true)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, newTemplates(object(configMap, "shop", "settings")), shop(), webPolicy("web"), required(tc.by...))
			b.reconcile(t, settings)
			want := required(tc.by...).Spec
			want.ConflictResolution, want.PreserveResourcesOnDeletion = tc.conflict, tc.preserve
			got := b.binding(t, settings)
			if diff := cmp.Diff(want, *got.BindingSpec()); diff != "" {
				t.Errorf("the binding (-want +got):\n%s", diff)
			}
			if owners := got.GetOwnerReferences(); len(owners) != 1 || owners[0].UID != "settings-uid" {
				t.Errorf("its owners are %+v, want the template", owners)
			}
			before := b.writes()
			b.reconcile(t, settings)
			if diff := cmp.Diff(before, b.writes()); diff != "" {
				t.Errorf("a second look wrote:\n%s", diff)
			}
		})
	}
}

func TestOtherRulesOfThoseThatRequireItAreNews(t *testing.T) {
	entry := v1alpha1.BindingSnapshot{Namespace: "shop", Name: "a"}
	strong := entry
	strong.PreserveResourcesOnDeletion = true
	before, governed := required(entry), required(strong)
	before.Spec.Placement, governed.Spec.Placement = &v1alpha1.Placement{}, &v1alpha1.Placement{}
	for name, tc := range map[string]struct {
		before, after *v1alpha1.ResourceBinding
		want          bool
	}{
		"the same":     {required(entry), required(entry), false},
		"another rule": {required(entry), required(strong), true},
		"another rule is no matter where a policy decides": {before, governed, false},
	} {
		if got := attachedChanged(&tc.before.Spec, &tc.after.Spec); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestAPolicyTakesWhatIsRequired(t *testing.T) {
	entry := v1alpha1.BindingSnapshot{Namespace: "shop", Name: "a", Clusters: []v1alpha1.TargetCluster{{Name: "member2"}}}
	policy := webPolicy("all")
	policy.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{selecting(configMap, "settings")}
	b := newBed(t, newTemplates(object(configMap, "shop", "settings")), shop(), policy, required(entry))
	b.reconcile(t, settings)
	spec := b.binding(t, settings).BindingSpec()
	if spec.Policy == nil || spec.Policy.Name != "all" || spec.Placement == nil {
		t.Errorf("the policy does not govern it: %+v", spec)
	}
	if diff := cmp.Diff([]v1alpha1.BindingSnapshot{entry}, spec.RequiredBy); diff != "" {
		t.Errorf("who requires it (-want +got):\n%s", diff)
	}
}

func TestAKindThatIsNeededStaysWatched(t *testing.T) {
	b := newBed(t, newTemplates(object(configMap, "shop", "settings"), webTemplate()), shop())
	for _, needed := range []bool{true, false} {
		k := &kindKeeper{client: b.host, templates: b.templates, needed: func(gvk schema.GroupVersionKind) bool { return needed && gvk == configMap }}
		if _, err := k.Reconcile(t.Context(), allKinds); err != nil {
			t.Fatal(err)
		}
		if got := b.templates.State(configMap).Watched; got != needed {
			t.Errorf("needed %v, watched %v", needed, got)
		}
	}
}
