package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

const interpreterSamples = "../../config/samples/interpreters"

// interpreterOf is an interpreter that a sample has taught.
func interpreterOf(t *testing.T, sample string) *interpreter.Interpreter {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(interpreterSamples, sample))
	if err != nil {
		t.Fatal(err)
	}
	ri := &v1alpha1.ResourceInterpreter{}
	if err := yaml.UnmarshalStrict(content, ri); err != nil {
		t.Fatal(err)
	}
	m, problems := taught.Compile(ri)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	kinds := interpreter.New()
	kinds.Teach(nil, []*taught.Meaning{m})
	return kinds
}

func objectOf(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestTheSampleOfDatabasesTeachesThem(t *testing.T) {
	kinds := interpreterOf(t, "database.yaml")
	orders := objectOf(t, `{apiVersion: databases.example.com/v2, kind: Database, metadata: {name: orders, namespace: shop}, spec: {shards: 6, credentials: login, backup: {jobs: 3}, tls: {secretName: tls}, template: {spec: {containers: [{name: db, resources: {requests: {cpu: 2}}}]}}}, status: {readyShards: 6}}`)
	replicas, needs, err := kinds.Replicas(orders)
	if err != nil || *replicas != 6 || needs.ResourceRequest.Cpu().Value() != 2 {
		t.Errorf("replicas are %v x %v, %v", replicas, needs, err)
	}
	if got := kinds.Health(orders); got != v1alpha1.Healthy {
		t.Errorf("health is %s", got)
	}
	dependencies, err := kinds.Dependencies(orders)
	if err != nil || len(dependencies) != 2 || dependencies[0].Name != "login" || dependencies[1].Name != "tls" {
		t.Errorf("dependencies are %v, %v", dependencies, err)
	}
	if err := kinds.Revise(orders, interpreter.Share{Replicas: 2, Divided: true, All: []int32{4, 2}, Index: 1}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"shards": int64(2), "jobs": int64(1)}
	shards, _, _ := unstructured.NestedInt64(orders.Object, "spec", "shards")
	jobs, _, _ := unstructured.NestedInt64(orders.Object, "spec", "backup", "jobs")
	if diff := cmp.Diff(want, map[string]any{"shards": shards, "jobs": jobs}); diff != "" {
		t.Errorf("revised (-want +got):\n%s", diff)
	}
}

func TestTheSampleOfPipelinesTeachesThem(t *testing.T) {
	kinds := interpreterOf(t, "pipeline.yaml")
	build := objectOf(t, `{apiVersion: pipelines.example.com/v1, kind: Pipeline, metadata: {name: build}, spec: {stages: [{name: parse, workers: 4, template: {spec: {containers: []}}}]}}`)
	components, err := kinds.Components(build)
	if err != nil || len(components) != 2 || components[0].Name != "coordinator" || components[1].Replicas != 4 {
		t.Errorf("components are %v, %v", components, err)
	}
	got, ok := kinds.Aggregate(build, interpreter.Fleet{Now: metav1.Now(), Members: []interpreter.MemberStatus{
		{Cluster: "a", Status: map[string]any{"phase": "Done"}}, {Cluster: "b"},
	}})
	want := map[string]any{"finished": false, "clusters": []any{
		map[string]any{"name": "a", "phase": "Done"}, map[string]any{"name": "b", "phase": "Unknown"},
	}}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("aggregated %v (-want +got):\n%s", ok, diff)
	}
}

func TestThePageOfInterpretersNamesEveryBundledKind(t *testing.T) {
	page, err := os.ReadFile("../../docs/interpreters.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../internal/interpreter/bundled/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d bundled interpreters, %v", len(files), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ri := &v1alpha1.ResourceInterpreter{}
		if err := yaml.UnmarshalStrict(content, ri); err != nil {
			t.Fatal(err)
		}
		gvk := ri.Spec.Target.GroupVersionKind()
		if !strings.Contains(string(page), gvk.Group) || !strings.Contains(string(page), gvk.Kind) {
			t.Errorf("docs/interpreters.md does not name %s of %s", gvk.Kind, gvk.Group)
		}
	}
}
