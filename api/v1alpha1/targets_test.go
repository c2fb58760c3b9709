package v1alpha1

import (
	"slices"
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
		"preserved for one that is gone": {
			spec: BindingSpec{RequiredBy: []BindingSnapshot{in("b")}, PreservedIn: []string{"a", "b"}},
			want: []TargetCluster{{Name: "a"}, {Name: "b"}},
		},
		"all replicas are where it was decided": {
			spec: BindingSpec{
				Replicas: &two, Placement: &Placement{ReplicaScheduling: &ReplicaScheduling{}},
				Clusters: []TargetCluster{{Name: "b", Replicas: &two}}, RequiredBy: []BindingSnapshot{in("a")}, PreservedIn: []string{"c"},
			},
			want: []TargetCluster{{Name: "b", Replicas: &two}},
		},
		"parts stay together where it was decided": {
			spec: BindingSpec{
				Components: []Component{{Name: "head", Replicas: 1}}, Placement: &Placement{ReplicaScheduling: &ReplicaScheduling{}},
				Clusters: []TargetCluster{{Name: "b"}}, RequiredBy: []BindingSnapshot{in("a")},
			},
			want: []TargetCluster{{Name: "b"}},
		},
		"without replicas nothing is divided": {
			spec: BindingSpec{
				Placement: &Placement{ReplicaScheduling: &ReplicaScheduling{}},
				Clusters:  []TargetCluster{{Name: "b"}}, RequiredBy: []BindingSnapshot{in("a")},
			},
			want: []TargetCluster{{Name: "a"}, {Name: "b"}},
		},
		"duplicated replicas are all in each": {
			spec: BindingSpec{
				Replicas: &two, Placement: &Placement{ReplicaScheduling: &ReplicaScheduling{ReplicaSchedulingType: Duplicated}},
				Clusters: []TargetCluster{{Name: "b", Replicas: &two}}, RequiredBy: []BindingSnapshot{in("a")},
			},
			want: []TargetCluster{{Name: "a"}, {Name: "b", Replicas: &two}},
		},
		"nowhere": {},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.spec.Targets()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			for _, cluster := range []string{"a", "b", "c", "elsewhere"} {
				want := slices.ContainsFunc(tc.want, func(target TargetCluster) bool { return target.Name == cluster })
				if tc.spec.HasTarget(cluster) != want {
					t.Errorf("HasTarget(%s) is %v", cluster, !want)
				}
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

func TestAClusterKeepsWhatSomebodyWantedPreserved(t *testing.T) {
	yes, no := true, false
	owners := []BindingSnapshot{{Name: "one"}, {Name: "two", PreserveResourcesOnDeletion: true}}
	for name, tc := range map[string]struct {
		spec BindingSpec
		want bool
	}{
		"nobody":                               {spec: BindingSpec{RequiredBy: owners[:1]}},
		"the policy":                           {spec: BindingSpec{PreserveResourcesOnDeletion: &yes, Policy: &PolicyReference{}}, want: true},
		"not the policy":                       {spec: BindingSpec{PreserveResourcesOnDeletion: &no, Policy: &PolicyReference{}, RequiredBy: owners}},
		"one of those that require it":         {spec: BindingSpec{RequiredBy: owners}, want: true},
		"one that is gone":                     {spec: BindingSpec{Policy: &PolicyReference{}, PreservedIn: []string{"a", "b"}}, want: true},
		"one that is gone from other clusters": {spec: BindingSpec{PreservedIn: []string{"a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.spec.Preserves("b"); got != tc.want {
				t.Errorf("Preserves(b) = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestReplicasThatNoClusterHasAreUnplaced(t *testing.T) {
	divided := &Placement{ReplicaScheduling: &ReplicaScheduling{ReplicaSchedulingType: Divided}}
	two := []TargetCluster{{Name: "a", Replicas: new(int32(2))}, {Name: "b"}}
	for name, tc := range map[string]struct {
		spec BindingSpec
		want int32
	}{
		"all have their place":           {BindingSpec{Placement: divided, Replicas: new(int32(2)), Clusters: two}, 0},
		"some have none":                 {BindingSpec{Placement: divided, Replicas: new(int32(5)), Clusters: two}, 3},
		"none has one":                   {BindingSpec{Placement: divided, Replicas: new(int32(5))}, 5},
		"some are not wanted any more":   {BindingSpec{Placement: divided, Replicas: new(int32(1)), Clusters: two}, 0},
		"every cluster has all of them":  {BindingSpec{Placement: &Placement{}, Replicas: new(int32(5)), Clusters: two}, 0},
		"the kind has none":              {BindingSpec{Placement: divided, Clusters: two}, 0},
		"nobody says where they are for": {BindingSpec{Replicas: new(int32(5))}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.spec.Unplaced(); got != tc.want {
				t.Errorf("Unplaced() = %d, want %d", got, tc.want)
			}
		})
	}
}
