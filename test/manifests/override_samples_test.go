package manifests

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/override"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

var update = flag.Bool("update", false, "write the golden files anew")

const overrideSamples = "../../config/samples/overrides"

// sampleClusters are two members of the fleet in which test/e2e tries the samples.
func sampleClusters() []*v1alpha1.Cluster {
	member := func(name, region, environment string) *v1alpha1.Cluster {
		cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"environment": environment}}}
		cluster.Spec.Region, cluster.Spec.Provider, cluster.Spec.Zones = region, "alpha", []string{region + "-" + name}
		return cluster
	}
	return []*v1alpha1.Cluster{member("member1", "eu", "production"), member("member3", "us", "staging")}
}

// Each testdata/overrides/SAMPLE.CLUSTER.yaml is the template of a sample for a cluster. Run with -update to write them
// anew, and read the difference.
func TestTheSamplesOfOverridesGiveWhatTheirCommentsSay(t *testing.T) {
	files, err := filepath.Glob(overrideSamples + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d samples: %v", len(files), err)
	}
	for _, file := range files {
		template, policies := sample(t, file)
		for _, cluster := range sampleClusters() {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml") + "." + cluster.Name
			t.Run(name, func(t *testing.T) {
				wantGolden(t, filepath.Join("testdata", "overrides", name+".yaml"), overridden(t, template, cluster, policies))
			})
		}
	}
	goldens, err := filepath.Glob("testdata/overrides/*.yaml")
	if want := len(files) * len(sampleClusters()); err != nil || len(goldens) != want {
		t.Errorf("there are %d golden files, want %d: %v", len(goldens), want, err)
	}
}

// What is applied from one file is there one after the other. A cluster that is given a template before its override is
// there may never take it: many fields can be set only once.
func TestSamplesNameOverridesBeforeWhatSendsTheirTemplates(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kind := regexp.MustCompile(`(?m)^kind: (\w+)$`)
	overrides := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sent := false
		for _, found := range kind.FindAllStringSubmatch(string(content), -1) {
			switch found[1] {
			case override.NamespacedKind, override.ClusterKind:
				overrides++
				if sent {
					t.Errorf("%s names an override after a propagation policy", file)
				}
			case "PropagationPolicy", "ClusterPropagationPolicy":
				sent = true
			}
		}
	}
	if overrides < 8 {
		t.Errorf("found %d overrides in %d samples", overrides, len(files))
	}
}

// sample reads the template and the override policies of a sample. Nothing in it may be without use.
func sample(t *testing.T, file string) (*unstructured.Unstructured, []*override.Policy) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var template *unstructured.Unstructured
	var policies []*override.Policy
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(string(content), -1) {
		obj := object(t, document)
		switch obj.GetKind() {
		case override.NamespacedKind:
			policies = append(policies, compiled(t, document, &v1alpha1.OverridePolicy{}))
		case override.ClusterKind:
			policies = append(policies, compiled(t, document, &v1alpha1.ClusterOverridePolicy{}))
		case "PropagationPolicy":
		default:
			obj.SetNamespace("shop")
			template = obj
		}
	}
	ordered := override.Order(policymatch.Template{
		GVK: template.GroupVersionKind(), Namespace: template.GetNamespace(), Name: template.GetName(), Labels: template.GetLabels(),
	}, policies)
	if len(ordered) == 0 || len(ordered) != len(policies) {
		t.Fatalf("%d of the %d policies in %s select its template", len(ordered), len(policies), file)
	}
	return template, ordered
}

func object(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, document)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(content); err != nil {
		t.Fatalf("%v in:\n%s", err, document)
	}
	return obj
}

func compiled(t *testing.T, document string, policy v1alpha1.Override) *override.Policy {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(document), policy); err != nil {
		t.Fatalf("%v in:\n%s", err, document)
	}
	if _, namespaced := policy.(*v1alpha1.OverridePolicy); namespaced {
		policy.SetNamespace("shop")
	}
	p, err := override.Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// overridden is a template for a cluster.
func overridden(t *testing.T, template *unstructured.Unstructured, cluster *v1alpha1.Cluster, policies []*override.Policy) *unstructured.Unstructured {
	t.Helper()
	obj := template.DeepCopy()
	if _, err := override.Apply(obj, cluster, policies, nil); err != nil {
		t.Fatal(err)
	}
	return obj
}

func wantGolden(t *testing.T, golden string, got *unstructured.Unstructured) {
	t.Helper()
	if *update {
		content, err := yaml.Marshal(got.Object)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(object(t, string(content)), got); diff != "" {
		t.Errorf("overridden (-want +got):\n%s", diff)
	}
}

func TestTheExamplesOfOverridesAreThoseOfTheSamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/overrides.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := example.FindAllStringSubmatch(string(page), -1)
	if len(examples) < 3 {
		t.Fatalf("found %d examples", len(examples))
	}
	for _, e := range examples {
		file, err := os.ReadFile(filepath.Join(overrideSamples, e[2]))
		if err != nil {
			t.Fatal(err)
		}
		shown := strings.Replace(e[1], " # "+e[2], "", 1)
		if !strings.Contains(unindented(string(file)), unindented(shown)) {
			t.Errorf("%s does not have:\n%s", e[2], shown)
		}
	}
}

// unindented is a text without what begins its lines, because a page shows a part of a file.
func unindented(text string) string {
	return regexp.MustCompile(`(?m)^ +`).ReplaceAllString(text, "")
}
