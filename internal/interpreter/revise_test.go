package interpreter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestRevise(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest string
		share    Share
		want     string
	}{
		"sets a Deployment's replicas": {
			`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 9, paused: true}}`, Share{Replicas: 2},
			`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 2, paused: true}}`,
		},
		"sets the replicas of a StatefulSet that had none": {
			`{apiVersion: apps/v1, kind: StatefulSet, spec: {}}`, Share{Replicas: 0},
			`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 0}}`,
		},
		"divides a Job's completions with its parallelism": {
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 4, completions: 10}}`, Share{Replicas: 3, Divided: true, All: []int32{3, 1}, Index: 0},
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 3, completions: 8}}`,
		},
		"gives the last cluster the rest of a Job's completions": {
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 4, completions: 10}}`, Share{Replicas: 1, Divided: true, All: []int32{3, 1}, Index: 1},
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 1, completions: 2}}`,
		},
		"leaves to replicas that are pending their part of a Job's completions": {
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 6, completions: 6}}`, Share{Replicas: 3, Divided: true, All: []int32{3, 3}, Index: 0},
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 3, completions: 3}}`,
		},
		"leaves all completions to every cluster of a duplicated Job": {
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 4, completions: 10}}`, Share{Replicas: 4, All: []int32{4, 4}, Index: 1},
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 4, completions: 10}}`,
		},
		"leaves a work queue without completions": {
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 4}}`, Share{Replicas: 1, Divided: true, All: []int32{3, 1}, Index: 1},
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 1}}`,
		},
		"leaves other kinds alone": {
			`{apiVersion: v1, kind: ConfigMap, data: {a: b}}`, Share{Replicas: 7},
			`{apiVersion: v1, kind: ConfigMap, data: {a: b}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := object(t, tc.manifest)
			if err := New().Revise(got, tc.share); err != nil {
				t.Fatalf("revising: %v", err)
			}
			if diff := cmp.Diff(object(t, tc.want), got); diff != "" {
				t.Errorf("revised (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReviseRefusesAnObjectWithoutASpecToWriteTo(t *testing.T) {
	for name, manifest := range map[string]string{
		"a spec that is a number":        `{apiVersion: apps/v1, kind: Deployment, spec: 3}`,
		"completions that are no number": `{apiVersion: batch/v1, kind: Job, spec: {completions: many}}`,
		"a share of no decision":         `{apiVersion: batch/v1, kind: Job, spec: {completions: 3}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := New().Revise(object(t, manifest), Share{Divided: true}); err == nil {
				t.Error("revising succeeded")
			}
		})
	}
}

func TestShareOf(t *testing.T) {
	divided := &v1alpha1.Placement{ReplicaScheduling: &v1alpha1.ReplicaScheduling{ReplicaSchedulingType: v1alpha1.Divided}}
	spec := func(replicas int32) *v1alpha1.BindingSpec {
		return &v1alpha1.BindingSpec{Placement: divided, Replicas: &replicas, Clusters: []v1alpha1.TargetCluster{
			{Name: "a", Replicas: ptr.To[int32](2)}, {Name: "b", Replicas: ptr.To[int32](1)}, {Name: "c"},
		}}
	}
	type answer struct {
		Share Share
		OK    bool
	}
	for name, tc := range map[string]struct {
		replicas int32
		cluster  string
		want     answer
	}{
		"leaves to those that are pending what is theirs": {7, "b", answer{Share{Replicas: 1, Divided: true, All: []int32{2, 1, 0, 4}, Index: 1}, true}},
		"is what the decision says":                       {3, "b", answer{Share{Replicas: 1, Divided: true, All: []int32{2, 1, 0}, Index: 1}, true}},
		"is none for a cluster without number":            {3, "c", answer{Share{Divided: true, All: []int32{2, 1, 0}, Index: -1}, false}},
		"is none for a cluster that is unnamed":           {3, "d", answer{Share{Divided: true, All: []int32{2, 1, 0}, Index: -1}, false}},
	} {
		t.Run(name, func(t *testing.T) {
			share, ok := ShareOf(spec(tc.replicas), tc.cluster)
			if diff := cmp.Diff(tc.want, answer{share, ok}); diff != "" {
				t.Errorf("share (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzProportionsAddUp(f *testing.F) {
	f.Add(int64(10), uint8(3), uint8(1), uint8(0))
	f.Add(int64(1), uint8(1), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, total int64, a, b, c uint8) {
		total &= 1<<31 - 1
		weights := []int32{int32(a), int32(b), int32(c)}
		sum, parts := int64(0), proportions(total, weights)
		for i, part := range parts {
			exact := float64(total) * float64(weights[i]) / max(float64(int(a)+int(b)+int(c)), 1)
			if float64(part) <= exact-1 || float64(part) >= exact+1 {
				t.Errorf("part %d is %d, its quota is %f", i, part, exact)
			}
			sum += part
		}
		if int(a)+int(b)+int(c) > 0 && sum != total {
			t.Errorf("%v add up to %d instead of %d", parts, sum, total)
		}
	})
}
