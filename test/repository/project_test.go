package repository

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// resource is what PROJECT and a CRD can both say about one kind.
type resource struct {
	Group      string
	Version    string
	Namespaced bool
}

// project is the part of kubebuilder's PROJECT file that this repository fills in.
type project struct {
	Resources []struct {
		API struct {
			Namespaced bool `json:"namespaced"`
		} `json:"api"`
		Controllers []struct {
			Name string `json:"name"`
		} `json:"controllers"`
		Domain  string `json:"domain"`
		Kind    string `json:"kind"`
		Version string `json:"version"`
	} `json:"resources"`
}

// customResourceDefinition is the part of a CRD that PROJECT repeats.
type customResourceDefinition struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Scope    string `json:"scope"`
		Versions []struct {
			Name string `json:"name"`
		} `json:"versions"`
	} `json:"spec"`
}

func TestProjectNamesEveryKindAsItsDefinitionDoes(t *testing.T) {
	got := map[string]resource{}
	for _, r := range readProject(t).Resources {
		got[r.Kind] = resource{Group: r.Domain, Version: r.Version, Namespaced: r.API.Namespaced}
	}
	want := map[string]resource{}
	paths, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		var crd customResourceDefinition
		decode(t, path, &crd)
		for _, version := range crd.Spec.Versions {
			want[crd.Spec.Names.Kind] = resource{
				Group: crd.Spec.Group, Version: version.Name, Namespaced: crd.Spec.Scope == "Namespaced",
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("PROJECT differs from config/crd/bases (-definitions +PROJECT):\n%s", diff)
	}
}

func TestProjectNamesControllersThatExist(t *testing.T) {
	for _, r := range readProject(t).Resources {
		for _, controller := range r.Controllers {
			if _, err := os.Stat(filepath.Join(root, "controllers", controller.Name)); err != nil {
				t.Errorf("PROJECT: the controller %q of %s: %v", controller.Name, r.Kind, err)
			}
		}
	}
}

func readProject(t *testing.T) project {
	t.Helper()
	var p project
	decode(t, filepath.Join(root, "PROJECT"), &p)
	return p
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
}
