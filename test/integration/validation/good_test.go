package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestWhatUsersWriteIsStoredAsTheyWroteIt(t *testing.T) {
	for name, document := range map[string]string{
		"a policy with every field":            fullPolicy,
		"a policy with overflow affinities":    overflowPolicy,
		"a cluster with every field":           fullCluster,
		"a cluster with two sizes of node":     edit(t, fullCluster, `[{grade: 1, ranges: [{name: cpu, min: "1", max: "2"}]}]`, `[{grade: 0, ranges: [{name: memory, min: "0", max: 4Gi}, {name: cpu, min: "0", max: "1"}]}, {grade: 1, ranges: [{name: cpu, min: "1", max: "2"}, {name: memory, min: 4Gi, max: 8Gi}]}]`),
		"a binding":                            fullBinding,
		"a rebalancer with every field":        fullRebalancer,
		"a cluster that only has a kubeconfig": "apiVersion: flotilla.dev/v1alpha1\nkind: Cluster\nmetadata: {name: member1}\nspec: {syncMode: Push, deletionPolicy: Remove}\n",
	} {
		t.Run(name, func(t *testing.T) {
			want := parse(t, document).Object["spec"]
			stored, err := create(t, document)
			if err != nil {
				t.Fatal(err)
			}
			got := stored.Object["spec"].(map[string]any)
			for _, field := range []string{"priority", "preemption", "schedulerName", "conflictResolution"} {
				if _, set := want.(map[string]any)[field]; !set {
					delete(got, field) // a default, see below
				}
			}
			if diff := cmp.Diff(want, any(got)); diff != "" {
				t.Errorf("written (-) and stored (+):\n%s", diff)
			}
		})
	}
}

func TestFieldsThatAreLeftOutGetTheirDefaults(t *testing.T) {
	tests := map[string]struct {
		document string
		want     map[string]any
	}{
		"a policy": {
			document: smallPolicy,
			want: map[string]any{
				"resourceSelectors":  []any{map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}},
				"priority":           int64(0),
				"preemption":         "Never",
				"schedulerName":      "default-scheduler",
				"conflictResolution": "Abort",
			},
		},
		"parts of a placement and failover": {
			document: smallPolicy + `
  placement: {replicaScheduling: {}, spreadConstraints: [{spreadByField: cluster}]}
  failover: {application: {decisionConditions: {}}, cluster: {}}
`,
			want: map[string]any{
				"resourceSelectors":  []any{map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}},
				"priority":           int64(0),
				"preemption":         "Never",
				"schedulerName":      "default-scheduler",
				"conflictResolution": "Abort",
				"placement": map[string]any{
					"replicaScheduling": map[string]any{"replicaSchedulingType": "Divided"},
					"spreadConstraints": []any{map[string]any{"spreadByField": "cluster", "minGroups": int64(1)}},
				},
				"failover": map[string]any{
					"application": map[string]any{
						"decisionConditions": map[string]any{"tolerationSeconds": int64(300)}, "coolDownSeconds": int64(600), "purgeMode": "Gracefully",
					},
					"cluster": map[string]any{"purgeMode": "Gracefully"},
				},
			},
		},
		"a cluster": {
			document: "apiVersion: flotilla.dev/v1alpha1\nkind: Cluster\nmetadata: {name: member1}\nspec: {apiEndpoint: \"https://192.0.2.1\"}\n",
			want:     map[string]any{"apiEndpoint": "https://192.0.2.1", "syncMode": "Push", "deletionPolicy": "Remove"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stored, err := create(t, tc.document)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(any(tc.want), stored.Object["spec"]); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryKindIsServedWithStatusCategoryAndShortName(t *testing.T) {
	definitions := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := host(t).List(t.Context(), definitions); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, definition := range definitions.Items {
		if definition.Spec.Group != "flotilla.dev" {
			continue
		}
		seen++
		conditions := map[apiextensionsv1.CustomResourceDefinitionConditionType]apiextensionsv1.ConditionStatus{}
		for _, condition := range definition.Status.Conditions {
			conditions[condition.Type] = condition.Status
		}
		want := map[apiextensionsv1.CustomResourceDefinitionConditionType]apiextensionsv1.ConditionStatus{
			apiextensionsv1.NamesAccepted: apiextensionsv1.ConditionTrue,
			apiextensionsv1.Established:   apiextensionsv1.ConditionTrue,
		}
		if diff := cmp.Diff(want, conditions); diff != "" {
			t.Errorf("%s: conditions (-want +got):\n%s", definition.Name, diff)
		}
		if names := definition.Status.AcceptedNames; len(names.ShortNames) == 0 || len(names.Categories) == 0 {
			t.Errorf("%s has short names %v and categories %v", definition.Name, names.ShortNames, names.Categories)
		}
		for _, version := range definition.Spec.Versions {
			if version.Subresources == nil || version.Subresources.Status == nil || len(version.AdditionalPrinterColumns) < 3 {
				t.Errorf("%s %s lacks a status subresource or columns", definition.Name, version.Name)
			}
		}
	}
	if seen < 5 {
		t.Errorf("%d kinds are served, want 5", seen)
	}
}

func TestAnUnknownFieldIsRefused(t *testing.T) {
	_, err := create(t, smallPolicy+"  placment: {}\n")
	wantRefused(t, err, `unknown field "spec.placment"`)
}

func TestWhatCannotBeChangedIsRefusedOnUpdate(t *testing.T) {
	tests := map[string]struct {
		document string
		change   []string
		value    string
		message  string
	}{
		"the scheduler of a policy": {
			document: smallPolicy, change: []string{"spec", "schedulerName"}, value: "another",
			message: "spec.schedulerName: Invalid value: \"another\": schedulerName cannot be changed: create another policy",
		},
		"the identity of a cluster": {
			document: fullCluster, change: []string{"spec", "id"}, value: "another",
			message: "spec.id: Invalid value: \"another\": id cannot be changed: a Cluster stays the cluster that joined",
		},
		"the mode of a cluster": {
			document: fullCluster, change: []string{"spec", "syncMode"}, value: "Pull",
			message: "spec.syncMode: Invalid value: \"Pull\": syncMode cannot be changed: unjoin the cluster and join it again",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, object := host(t), parse(t, tc.document)
			object.SetName("update-" + object.GetName())
			if err := c.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			changed := object.DeepCopy()
			if err := unstructured.SetNestedField(changed.Object, tc.value, tc.change...); err != nil {
				t.Fatal(err)
			}
			err := c.Update(t.Context(), changed)
			if deleted := c.Delete(t.Context(), object); deleted != nil {
				t.Error(deleted)
			}
			wantRefused(t, err, tc.message)
		})
	}
}
