package v1alpha1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestATemplateGoesWhereItWasDecidedAndWhereItIsRequired(t *testing.T) {
	two := int32(2)
	in := func(names ...string) BindingSnapshot {
		s := BindingSnapshot{Name: "owner"}
		for _, name := range names {
			s.Clusters = append(s.Clusters, TargetCluster{Name: name})
		}
		return s
	}
	for name, tc := range map[string]struct {
		spec BindingSpec
		want []TargetCluster
	}{
		"decided only": {
			spec: BindingSpec{Clusters: []TargetCluster{{Name: "b", Replicas: &two}, {Name: "a"}}},
			want: []TargetCluster{{Name: "b", Replicas: &two}, {Name: "a"}},
		},
		"required only, by two": {
			spec: BindingSpec{RequiredBy: []BindingSnapshot{in("c", "a"), in("b", "a")}},
			want: []TargetCluster{{Name: "a"}, {Name: "b"}, {Name: "c"}},
		},
		"what was decided keeps its replicas": {
			spec: BindingSpec{Clusters: []TargetCluster{{Name: "b", Replicas: &two}}, RequiredBy: []BindingSnapshot{in("b", "a")}},
			want: []TargetCluster{{Name: "a"}, {Name: "b", Replicas: &two}},
		},
		"nowhere": {},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.spec.Targets()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			for _, target := range got {
				if !tc.spec.HasTarget(target.Name) {
					t.Errorf("HasTarget(%s) is false", target.Name)
				}
			}
			if tc.spec.HasTarget("elsewhere") {
				t.Error("HasTarget(elsewhere) is true")
			}
		})
	}
}

func TestTheTargetsOfWhatNothingRequiresCostNoMemory(t *testing.T) {
	spec := BindingSpec{Clusters: []TargetCluster{{Name: "a"}, {Name: "b"}}}
	if got := testing.AllocsPerRun(10, func() { _ = spec.Targets(); _ = spec.HasTarget("b") }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
