package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestTheGroupsFollowTheTemplateAlsoWithoutAPolicy(t *testing.T) {
	policy := webPolicy("web")
	policy.Spec.Placement.WorkloadAffinity = &v1alpha1.WorkloadAffinity{Affinity: &v1alpha1.WorkloadAffinityTerm{GroupByLabelKey: "app"}}
	b := newBed(t, newTemplates(webTemplate()), shop(), policy)
	groups := []*v1alpha1.WorkloadAffinityGroups{}
	look := func(labels map[string]string) {
		template := webTemplate()
		template.SetLabels(labels)
		b.templates.put(template)
		b.reconcile(t, web)
		groups = append(groups, b.binding(t, web).BindingSpec().WorkloadAffinityGroups)
	}
	look(map[string]string{"app": "shop"})
	look(map[string]string{"app": "other"})
	if err := b.host.Delete(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	look(map[string]string{"app": "third"})
	look(nil)
	want := []*v1alpha1.WorkloadAffinityGroups{{AffinityGroup: "app=shop"}, {AffinityGroup: "app=other"}, {AffinityGroup: "app=third"}, nil}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}
