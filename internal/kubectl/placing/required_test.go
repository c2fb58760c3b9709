package placing

import (
	"testing"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestExplainTellsWhoRequiresATemplate(t *testing.T) {
	binding := &v1alpha1.ResourceBinding{}
	binding.Spec.RequiredBy = []v1alpha1.BindingSnapshot{
		{Namespace: "shop", Name: "api-deployment-apps", Clusters: []v1alpha1.TargetCluster{{Name: "b"}}},
		{Namespace: "shop", Name: "web-deployment-apps", Clusters: []v1alpha1.TargetCluster{{Name: "a"}, {Name: "b"}}},
	}
	want := "It goes to a, b, where it is needed: its binding is required by api-deployment-apps, web-deployment-apps."
	if got := explainFacts(facts{binding: binding}).Answer; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
