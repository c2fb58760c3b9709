package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/operator-framework/operator-lifecycle-manager/pkg/controller/install"
	"github.com/operator-framework/operator-lifecycle-manager/pkg/controller/registry/resolver"
	"github.com/operator-framework/operator-registry/pkg/api"
	"github.com/operator-framework/operator-registry/pkg/cache"
	supported "github.com/operator-framework/operator-registry/pkg/lib/bundle"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/yaml"
)

// checkedIn is the bundle of the repository, seen from this package.
const checkedIn = "../../../bundle"

// served returns the bundle as OLM gets it from the catalog.
func served(t *testing.T) *api.Bundle {
	t.Helper()
	catalog, err := describe(checkedIn)
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	files := fstest.MapFS{"catalog.json": {Data: catalog, Mode: 0o644}}
	if err := cache.LoadOrRebuild(t.Context(), store, files); err != nil {
		t.Fatal(err)
	}
	bundle, err := store.GetBundleForChannel(t.Context(), "flotilla", "candidate-v1alpha1")
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func TestOLMMakesAStepOfEveryObjectOfTheBundle(t *testing.T) {
	bundle := served(t)
	steps, err := resolver.NewStepsFromBundle(bundle, "flotilla-system", "", "flotilla", "olm")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(checkedIn, "manifests", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]int{}
	for _, step := range steps {
		made[step.Resource.Kind]++
		if ok, _ := supported.IsSupported(step.Resource.Kind); !ok {
			t.Errorf("OLM does not install the %s %s", step.Resource.Kind, step.Resource.Name)
		}
	}
	// Besides the files: the ServiceAccount, and a role with its binding for the namespace and for the cluster.
	if want := len(files) + 5; len(steps) != want {
		t.Errorf("OLM makes %d steps of %d files, want %d: %v", len(steps), len(files), want, made)
	}
	if made["ServiceAccount"] != 1 || made["Role"] != 1 || made["RoleBinding"] != 1 {
		t.Errorf("OLM makes %v, want an account with one role", made)
	}
}

func TestOLMUnderstandsHowToInstallTheBundle(t *testing.T) {
	csv, err := resolver.V1alpha1CSVFromBundle(served(t))
	if err != nil {
		t.Fatal(err)
	}
	strategy, err := (&install.StrategyResolver{}).UnmarshalStrategy(csv.Spec.InstallStrategy)
	if err != nil {
		t.Fatal(err)
	}
	if strategy.GetStrategyName() != "deployment" {
		t.Errorf("the strategy is %s", strategy.GetStrategyName())
	}
}

func TestTheDescriptionSatisfiesTheSchemaOfOLMsDefinition(t *testing.T) {
	validator := schema(t, "clusterserviceversions")
	text := served(t).CsvJson
	if problems := validation.ValidateCustomResource(nil, decode(t, text), validator); len(problems) > 0 {
		t.Error(problems)
	}
	spoiled := decode(t, strings.Replace(text, `"supported":true`, `"supported":"yes"`, 1))
	if problems := validation.ValidateCustomResource(nil, spoiled, validator); len(problems) == 0 {
		t.Error("a text where the definition wants true or false is not found out")
	}
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// schema is that of one of OLM's own definitions, of the pinned version.
func schema(t *testing.T, plural string) validation.SchemaValidator {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/operator-framework/operator-lifecycle-manager").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(module)), "deploy", "chart", "crds")
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(entry os.DirEntry) bool { return strings.Contains(entry.Name(), plural) })
	if i < 0 {
		t.Fatalf("OLM has no definition of %s in %s", plural, folder)
	}
	content, err := os.ReadFile(filepath.Join(folder, entries[i].Name()))
	if err != nil {
		t.Fatal(err)
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(content, &definition); err != nil {
		t.Fatal(err)
	}
	var internal apiextensions.JSONSchemaProps
	published := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(published, &internal, nil); err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		t.Fatal(err)
	}
	return validator
}
