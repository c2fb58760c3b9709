package upgrade

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/test/chaos/upgrade/crdcompat"
)

// definitions is where the CustomResourceDefinitions lie.
const definitions = "config/crd/bases"

// accepted are breaks that this version makes on purpose, each with the reason in a comment. It is emptied with every release.
var accepted = map[string]bool{}

func TestWhatUsersHaveStoredStaysValid(t *testing.T) {
	root, commit := previous(t)
	listed, err := git(t.Context(), root, "ls-tree", "--name-only", commit, definitions+"/")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(listed))
	if len(names) == 0 {
		t.Fatalf("%s has no definitions in %s", commit, definitions)
	}
	for _, name := range names {
		old, err := git(t.Context(), root, "show", commit+":"+name)
		if err != nil {
			t.Fatal(err)
		}
		current, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("a kind is gone: %v", err)
			continue
		}
		for _, broken := range crdcompat.Breaks(parse(t, old), parse(t, current)) {
			if broken = path.Base(name) + ": " + broken; !accepted[broken] {
				t.Error(broken)
			}
		}
	}
}

func parse(t *testing.T, content []byte) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}
