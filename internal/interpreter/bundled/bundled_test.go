package bundled

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// testCase is an object, or a template with what members report, and what is to be understood of it. Only what is wanted
// is compared.
type testCase struct {
	Name    string         `json:"name"`
	Object  map[string]any `json:"object"`
	Members []any          `json:"members"` // statuses; null is a silent cluster
	Divided bool           `json:"divided"`
	Want    map[string]any `json:"want"`
}

func TestBundledInterpretersUnderstandWhatTheirCasesSay(t *testing.T) {
	interpreters, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, ri := range interpreters {
		t.Run(ri.Name, func(t *testing.T) {
			m, problems := taught.Compile(ri)
			for _, problem := range problems {
				t.Error(problem)
			}
			cases, err := casesOf(ri)
			if err != nil || t.Failed() {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, tc := range cases {
				t.Run(tc.Name, func(t *testing.T) { tc.check(t, ri, m, seen) })
			}
			for _, operation := range taught.Operations {
				if m.Teaches(operation) && !seen[string(operation)] {
					t.Errorf("no case looks at the %s", operation)
				}
			}
			if m.Teaches(taught.Health) && (!seen[string(v1alpha1.Healthy)] || !seen[string(v1alpha1.Unhealthy)]) {
				t.Error("there has to be a case that is healthy and one that is not")
			}
		})
	}
}

func (tc testCase) check(t *testing.T, ri *v1alpha1.ResourceInterpreter, m *taught.Meaning, seen map[string]bool) {
	object := &unstructured.Unstructured{Object: tc.Object}
	if !ri.Spec.Target.Covers(object.GroupVersionKind()) {
		t.Fatalf("%s is none of the kind %v", object.GroupVersionKind(), ri.Spec.Target)
	}
	before := object.DeepCopy()
	got := map[string]any{}
	for operation := range tc.Want {
		seen[operation] = true
		value, err := tc.understand(m, object, taught.Operation(operation))
		if err != nil {
			t.Fatal(err)
		}
		got[operation] = value
	}
	if verdict, ok := tc.Want["health"].(string); ok {
		seen[verdict] = true
	}
	if diff := cmp.Diff(tc.Want, plain(t, got)); diff != "" {
		t.Errorf("understood (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, object); diff != "" {
		t.Errorf("the object was changed:\n%s", diff)
	}
}

func (tc testCase) understand(m *taught.Meaning, object *unstructured.Unstructured, operation taught.Operation) (any, error) {
	switch operation {
	case taught.Replicas:
		return podsOf(m, object)
	case taught.Health:
		return m.Health(object)
	case taught.Status:
		status, _ := object.Object["status"].(map[string]any)
		return m.Reflect(status), nil
	case taught.Dependencies:
		dependencies, err := m.Dependencies(object)
		names := []string{}
		for _, d := range dependencies {
			names = append(names, d.APIVersion+" "+d.Kind+" "+d.Name)
		}
		return names, err
	default:
		return m.Aggregate(object, tc.reports())
	}
}

// podsOf are the pods as "NAME: REPLICAS x REQUESTS".
func podsOf(m *taught.Meaning, object *unstructured.Unstructured) (any, error) {
	type pods struct {
		Name         string            `json:"name,omitempty"`
		Replicas     int32             `json:"replicas"`
		Requests     map[string]string `json:"requests,omitempty"`
		NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	}
	found, err := m.Pods(object)
	list := []pods{}
	for _, p := range found {
		item := pods{Name: p.Name, Replicas: p.Replicas, Requests: map[string]string{}}
		if p.Requirements != nil {
			for name, quantity := range p.Requirements.ResourceRequest {
				item.Requests[string(name)] = quantity.String()
			}
			if p.Requirements.NodeClaim != nil {
				item.NodeSelector = p.Requirements.NodeClaim.NodeSelector
			}
		}
		list = append(list, item)
	}
	return list, err
}

// reports are the members' statuses; those that are not silent are up to date.
func (tc testCase) reports() taught.Reports {
	reports := taught.Reports{Divided: tc.Divided, Now: metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	for i, member := range tc.Members {
		status, reported := member.(map[string]any)
		reports.Items = append(reports.Items, taught.Item{Cluster: "member" + string(rune('1'+i)), Status: status, UpToDate: reported})
	}
	return reports
}

func casesOf(ri *v1alpha1.ResourceInterpreter) ([]testCase, error) {
	gvk := ri.Spec.Target.GroupVersionKind()
	text, err := os.ReadFile("testdata/" + gvk.Group + "_" + strings.ToLower(gvk.Kind) + ".yaml")
	if err != nil {
		return nil, err
	}
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	var cases []testCase
	return cases, json.Unmarshal(raw, &cases)
}

// plain is a value as a file has it.
func plain(t *testing.T, value any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var result map[string]any
	if err := json.Unmarshal(raw, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestEveryFileIsNamedAfterItsKind(t *testing.T) {
	interpreters, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, ri := range interpreters {
		gvk := ri.Spec.Target.GroupVersionKind()
		names[gvk.Group+"_"+strings.ToLower(gvk.Kind)+".yaml"] = true
		if want := gvk.Group + "-" + strings.ToLower(gvk.Kind); ri.Name != want {
			t.Errorf("%s is named %s", want, ri.Name)
		}
	}
	for _, entry := range entries {
		if !names[entry.Name()] {
			t.Errorf("%s is not named GROUP_KIND.yaml", entry.Name())
		}
	}
	if Table().Len() != len(entries) {
		t.Errorf("%d kinds in %d files", Table().Len(), len(entries))
	}
}

func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		interpreters, err := Load()
		if err != nil {
			b.Fatal(err)
		}
		for _, ri := range interpreters {
			taught.Compile(ri)
		}
	}
}
