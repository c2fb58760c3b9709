package policymatch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestAffinityGroupsAreTheValuesOfTheLabelsThatThePlacementGroupsBy(t *testing.T) {
	term := func(key string) *v1alpha1.WorkloadAffinityTerm {
		return &v1alpha1.WorkloadAffinityTerm{GroupByLabelKey: key}
	}
	for name, tc := range map[string]struct {
		affinity *v1alpha1.WorkloadAffinity
		labels   map[string]string
		want     *v1alpha1.WorkloadAffinityGroups
	}{
		"no workload affinity": {labels: map[string]string{"app": "shop"}},
		"no label":             {affinity: &v1alpha1.WorkloadAffinity{Affinity: term("app")}},
		"together": {
			affinity: &v1alpha1.WorkloadAffinity{Affinity: term("app")}, labels: map[string]string{"app": "shop"},
			want: &v1alpha1.WorkloadAffinityGroups{AffinityGroup: "app=shop"},
		},
		"apart, by a label without a value": {
			affinity: &v1alpha1.WorkloadAffinity{AntiAffinity: term("app")}, labels: map[string]string{"app": ""},
			want: &v1alpha1.WorkloadAffinityGroups{AntiAffinityGroup: "app="},
		},
		"both": {
			affinity: &v1alpha1.WorkloadAffinity{Affinity: term("app"), AntiAffinity: term("example.com/rival")},
			labels:   map[string]string{"app": "shop", "example.com/rival": "cache"},
			want:     &v1alpha1.WorkloadAffinityGroups{AffinityGroup: "app=shop", AntiAffinityGroup: "example.com/rival=cache"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := AffinityGroups(&v1alpha1.Placement{WorkloadAffinity: tc.affinity}, tc.labels)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("AffinityGroups() (-want +got):\n%s", diff)
			}
		})
	}
}
