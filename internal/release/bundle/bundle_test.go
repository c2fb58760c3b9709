package bundle

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/operators/v1alpha1"
	"github.com/operator-framework/api/pkg/validation"
	interfaces "github.com/operator-framework/api/pkg/validation/interfaces"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// root is the repository, seen from this package.
const root = "../../.."

// loaded is what `make bundle` wrote for the release that is under way.
func loaded(t *testing.T) *manifests.Bundle {
	t.Helper()
	bundle, err := manifests.GetBundleFromDir(filepath.Join(root, "bundle"))
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// rulebook are the validators of operator-framework, without those that ask a container engine for the images.
func rulebook() interfaces.Validators {
	return interfaces.Validators{
		validation.AlphaDeprecatedAPIsValidator,
		validation.BundleValidator,
		validation.ClusterServiceVersionValidator,
		validation.CommunityOperatorValidator,
		validation.CustomResourceDefinitionValidator,
		validation.GoodPracticesValidator,
		validation.ObjectValidator,
		validation.OperatorHubV2Validator,
		validation.StandardCapabilitiesValidator,
		validation.StandardCategoriesValidator,
	}
}

// complaints are all errors and warnings about a bundle.
func complaints(bundle *manifests.Bundle) []string {
	objects := []any{bundle, bundle.CSV, map[string]string{"k8s-version": "1.37"}}
	for _, definition := range bundle.V1CRDs {
		objects = append(objects, definition)
	}
	for _, object := range bundle.Objects {
		objects = append(objects, object)
	}
	var found []string
	for _, result := range rulebook().Validate(objects...) {
		for _, problem := range slices.Concat(result.Errors, result.Warnings) {
			found = append(found, problem.Error())
		}
	}
	return found
}

func TestTheBundleBreaksNoRuleAndNoGoodPractice(t *testing.T) {
	for _, complaint := range complaints(loaded(t)) {
		t.Error(complaint)
	}
}

func TestABundleThatBreaksARuleIsFoundOut(t *testing.T) {
	cases := map[string]func(*manifests.Bundle){
		"the least version is missing":     func(b *manifests.Bundle) { b.CSV.Spec.MinKubeVersion = "" },
		"a category is not known":          func(b *manifests.Bundle) { b.CSV.Annotations["categories"] = "Boats" },
		"a definition is not described":    func(b *manifests.Bundle) { b.CSV.Spec.CustomResourceDefinitions.Owned[0].Description = "" },
		"a channel is not named by habit":  func(b *manifests.Bundle) { b.Channels = []string{"alpha"} },
		"a definition is not in the CSV":   func(b *manifests.Bundle) { b.CSV.Spec.CustomResourceDefinitions.Owned = nil },
		"an example is missing":            func(b *manifests.Bundle) { b.CSV.Annotations["alm-examples"] = "[]" },
		"the container asks for no memory": func(b *manifests.Bundle) { container(b).Resources.Requests = nil },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			bundle := loaded(t)
			spoil(bundle)
			if found := complaints(bundle); len(found) == 0 {
				t.Error("no validator complains")
			}
		})
	}
}

func container(b *manifests.Bundle) *corev1.Container {
	return &b.CSV.Spec.InstallStrategy.StrategySpec.DeploymentSpecs[0].Spec.Template.Spec.Containers[0]
}

func TestTheBundleIsWhatConfigSays(t *testing.T) {
	csv := loaded(t).CSV
	_, replaces, _ := strings.Cut(csv.Spec.Replaces, ".v")
	want, err := Files(Options{
		Root: root, Version: csv.Spec.Version.String(), Image: csv.Annotations["containerImage"], Replaces: replaces,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	for name := range want {
		if got[name], err = os.ReadFile(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run make bundle (-want +checked in):\n%s", diff)
	}
	list, err := exec.Command("find", filepath.Join(root, "bundle"), "-type", "f").Output()
	if err != nil {
		t.Fatal(err)
	}
	if files := bytes.Count(list, []byte("\n")); files != len(want)-1 {
		t.Errorf("the bundle holds %d files, want %d", files, len(want)-1)
	}
}

func TestNothingOfTheInstallationIsMissing(t *testing.T) {
	content, err := render(Options{Root: root, Image: "flotilla:test"})
	if err != nil {
		t.Fatal(err)
	}
	if len(content.deployments) != 1 || len(content.definitions) == 0 || len(content.manifests) == 0 {
		t.Fatalf("got %d Deployments, %d definitions and %d manifests", len(content.deployments), len(content.definitions), len(content.manifests))
	}
	csv := loaded(t).CSV.Spec.InstallStrategy.StrategySpec
	want := map[string][]v1alpha1.StrategyDeploymentPermissions{
		"cluster": permissions(content.rights.cluster), "namespaced": permissions(content.rights.namespaced),
	}
	got := map[string][]v1alpha1.StrategyDeploymentPermissions{"cluster": csv.ClusterPermissions, "namespaced": csv.Permissions}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights (-config +bundle):\n%s", diff)
	}
	// What the roles of the manager grant is granted by the CSV, so that OLM needs no binding of ours.
	for _, needed := range []rbacv1.PolicyRule{
		{APIGroups: []string{"flotilla.dev"}, Resources: []string{"templates"}, Verbs: []string{"manage"}},
	} {
		if !slices.ContainsFunc(csv.ClusterPermissions[0].Rules, func(rule rbacv1.PolicyRule) bool { return cmp.Equal(rule, needed) }) {
			t.Errorf("the CSV does not grant %v", needed)
		}
	}
}

func TestAKindThatNoBundleHoldsIsRefused(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job"}}
	object.SetName("surprise")
	if _, err := sort([]*unstructured.Unstructured{object}, ""); err == nil || !strings.Contains(err.Error(), "Job surprise") {
		t.Errorf("got error %v, want one that names the object", err)
	}
}

func TestTheReleaseIsNamedTheSameEverywhere(t *testing.T) {
	csv := loaded(t).CSV
	image := csv.Annotations["containerImage"]
	got := map[string]any{
		"name": csv.Name, "related": csv.Spec.RelatedImages, "skips": csv.Annotations["olm.skipRange"],
		"deployment": csv.Spec.InstallStrategy.StrategySpec.DeploymentSpecs[0].Spec.Template.Spec.Containers[0].Image,
	}
	version := csv.Spec.Version.String()
	want := map[string]any{
		"name": "flotilla.v" + version, "related": []v1alpha1.RelatedImage{{Name: "manager", Image: image}},
		"skips": "<" + version, "deployment": image,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("release (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(image, ":v"+version) {
		t.Errorf("the image is %s, want the tag v%s", image, version)
	}
}

func TestTheImageOfTheBundleCarriesItsAnnotationsAsLabels(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "bundle/metadata/annotations.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := yaml.UnmarshalStrict(content, &file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "bundle.Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if pair, found := strings.CutPrefix(strings.TrimSpace(line), "LABEL "); found {
			key, value, _ := strings.Cut(pair, "=")
			labels[key] = value
		}
	}
	if diff := cmp.Diff(file.Annotations, labels); diff != "" {
		t.Errorf("labels (-annotations +Dockerfile):\n%s", diff)
	}
}

func TestEveryFieldOfAnExampleAndOfAStatusIsDescribed(t *testing.T) {
	csv := loaded(t).CSV
	described := map[string]map[string]bool{}
	for _, kind := range csv.Spec.CustomResourceDefinitions.Owned {
		described[kind.Kind] = map[string]bool{}
		for _, field := range kind.SpecDescriptors {
			described[kind.Kind][field.Path] = true
			if field.Description == "" || field.DisplayName == "" {
				t.Errorf("%s: spec.%s has no words", kind.Kind, field.Path)
			}
		}
		if len(kind.StatusDescriptors) == 0 || len(kind.Resources) == 0 {
			t.Errorf("%s has %d fields of status and %d resources beside it", kind.Kind, len(kind.StatusDescriptors), len(kind.Resources))
		}
	}
	var examples []unstructured.Unstructured
	if err := json.Unmarshal([]byte(csv.Annotations["alm-examples"]), &examples); err != nil {
		t.Fatal(err)
	}
	for _, example := range examples {
		spec, _, err := unstructured.NestedMap(example.Object, "spec")
		if err != nil {
			t.Fatal(err)
		}
		for name := range maps.Keys(spec) {
			if !described[example.GetKind()][name] {
				t.Errorf("%s: spec.%s is in the example, and not described", example.GetKind(), name)
			}
		}
	}
}

func TestNamesBecomeWords(t *testing.T) {
	cases := map[string]string{
		"placement": "Placement", "observedGeneration": "Observed Generation", "proxyURL": "Proxy URL", "id": "Id",
		"insecureSkipTLSVerification": "Insecure Skip TLS Verification", "ClusterResourceBinding": "Cluster Resource Binding",
	}
	for name, want := range cases {
		if got := words(name); got != want {
			t.Errorf("words(%q) = %q, want %q", name, got, want)
		}
	}
}
