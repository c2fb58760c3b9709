package render

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

var marks = Marks{HostUID: "8f5c2c1e-host", Binding: types.NamespacedName{Namespace: "shop", Name: "web"}}

// read reads an object as it comes from an API server: whole numbers are int64.
func read(t testing.TB, path string) *unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	raw, err := yaml.YAMLToJSON(content)
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(raw); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	return obj
}

// Each testdata/NAME.yaml is a template as the host's API server returns it, NAME.golden.yaml is what a member
// gets. Run with -update to write the latter anew, and read the difference.
func TestManifestOfEachKindIsTheGoldenOne(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatalf("listing: %v", err)
	}
	cases := 0
	for _, path := range paths {
		if strings.HasSuffix(path, ".golden.yaml") {
			continue
		}
		cases++
		t.Run(filepath.Base(path), func(t *testing.T) {
			template := read(t, path)
			before := template.DeepCopy()
			got, err := Manifest(template, marks, Ignored{})
			if err != nil {
				t.Fatalf("rendering: %v", err)
			}
			if diff := cmp.Diff(before, template); diff != "" {
				t.Errorf("the template was changed:\n%s", diff)
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".golden.yaml"
			if *update {
				content, err := yaml.Marshal(got.Object.Object)
				if err != nil {
					t.Fatalf("encoding: %v", err)
				}
				if err := os.WriteFile(golden, content, 0o644); err != nil {
					t.Fatalf("writing: %v", err)
				}
			}
			if diff := cmp.Diff(read(t, golden), got.Object); diff != "" {
				t.Errorf("manifest (-want +got):\n%s", diff)
			}
			again, err := Manifest(got.Object, marks, Ignored{})
			if err != nil {
				t.Fatalf("rendering again: %v", err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("rendering the manifest changed it:\n%s", diff)
			}
		})
	}
	if cases < 10 {
		t.Errorf("only %d cases were found", cases)
	}
}

func TestHash(t *testing.T) {
	hash := func(obj *unstructured.Unstructured, marks Marks) string {
		rendered, err := Manifest(obj, marks, Ignored{})
		if err != nil {
			t.Fatalf("rendering: %v", err)
		}
		return rendered.Hash
	}
	template := read(t, "testdata/deployment.yaml")
	first := hash(template, marks)
	for name, tc := range map[string]struct {
		change func(obj *unstructured.Unstructured, marks *Marks)
		same   bool
	}{
		"ignores what the host's controllers write": {func(obj *unstructured.Unstructured, _ *Marks) {
			obj.Object["status"] = map[string]any{"replicas": int64(9)}
			obj.SetResourceVersion("12345")
			obj.SetGeneration(99)
		}, true},
		"sees a label":    {func(obj *unstructured.Unstructured, _ *Marks) { obj.SetLabels(map[string]string{"new": "label"}) }, false},
		"sees a replica":  {func(obj *unstructured.Unstructured, _ *Marks) { object(obj.Object, "spec")["replicas"] = int64(9) }, false},
		"sees a new host": {func(_ *unstructured.Unstructured, marks *Marks) { marks.HostUID = "other" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			changed, changedMarks := template.DeepCopy(), marks
			tc.change(changed, &changedMarks)
			if got := hash(changed, changedMarks); (got == first) != tc.same {
				t.Errorf("the hash was %s and is %s", first, got)
			}
		})
	}
}

func TestRetainedReplicasAreLeftToTheMember(t *testing.T) {
	template := read(t, "testdata/deployment.yaml")
	template.SetLabels(map[string]string{v1alpha1.RetainReplicasLabel: "true"})
	rendered, err := Manifest(template, marks, Ignored{})
	if err != nil {
		t.Fatalf("rendering: %v", err)
	}
	if replicas, found := object(rendered.Object.Object, "spec")["replicas"]; found {
		t.Errorf("the manifest has %v replicas", replicas)
	}
}

func TestManifestRefusesWhatHasNoIdentity(t *testing.T) {
	for name, fields := range map[string]map[string]any{
		"nothing":        nil,
		"no kind":        {"apiVersion": "v1", "metadata": map[string]any{"name": "a"}},
		"no apiVersion":  {"kind": "ConfigMap", "metadata": map[string]any{"name": "a"}},
		"no name":        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"generateName": "a"}},
		"metadata a lie": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Manifest(&unstructured.Unstructured{Object: fields}, marks, Ignored{}); !errors.Is(err, ErrNoIdentity) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func FuzzManifestNeverPanicsAndIsAFixedPoint(f *testing.F) {
	for _, kind := range []string{"v1/Pod", "v1/Service", "v1/Secret", "batch/v1/Job", "apps/v1/StatefulSet", "apps/v1/Deployment", "v1/Namespace"} {
		f.Add(kind, `{"metadata":{"name":"a","labels":{"a":"b"}},"spec":{"replicas":1,"ports":[{"nodePort":3}],"containers":[null,{"volumeMounts":[1]}]}}`)
	}
	f.Add("v1/Pod", `{"metadata":{"name":"a","annotations":7},"spec":[{}]}`)
	f.Fuzz(func(t *testing.T, kind, content string) {
		fields := map[string]any{}
		if json.Unmarshal([]byte(content), &fields) != nil || fields == nil {
			return
		}
		slash := strings.LastIndex(kind, "/")
		if slash < 0 {
			return
		}
		fields["apiVersion"], fields["kind"] = kind[:slash], kind[slash+1:]
		rendered, err := Manifest(&unstructured.Unstructured{Object: fields}, marks, Ignored{})
		if err != nil {
			return
		}
		again, err := Manifest(rendered.Object, marks, Ignored{})
		if err != nil {
			t.Fatalf("rendering again: %v", err)
		}
		if diff := cmp.Diff(rendered, again); diff != "" {
			t.Errorf("rendering the manifest changed it:\n%s", diff)
		}
	})
}

func BenchmarkManifest(b *testing.B) {
	template := read(b, "testdata/deployment.yaml")
	for b.Loop() {
		if _, err := Manifest(template, marks, Ignored{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReplicasOfAnAutoscalerAreGivenAtCreationOnly(t *testing.T) {
	template := func(replicas int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"namespace": "shop", "name": "web", "labels": map[string]any{v1alpha1.RetainReplicasLabel: "true"}},
			"spec":     map[string]any{"replicas": replicas, "paused": true},
		}}
	}
	six, err := Manifest(template(6), Marks{}, Ignored{AfterCreation: []string{"/spec/paused"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"replicas": int64(6), "paused": true}, six.Initial.Object["spec"]); diff != "" {
		t.Errorf("at creation, spec (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/spec/paused", "/spec/replicas"}, six.Left); diff != "" {
		t.Errorf("what is left to the member (-want +got):\n%s", diff)
	}
	seven, err := Manifest(template(7), Marks{}, Ignored{AfterCreation: []string{"/spec/paused"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(six.Object, seven.Object); diff != "" {
		t.Errorf("another share changes what is applied later (-six +seven):\n%s", diff)
	}
}
