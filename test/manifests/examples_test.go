package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const schedulingSamples = "../../config/samples/scheduling"

// example is a block of YAML whose first line names the sample that it is taken from.
var example = regexp.MustCompile("(?s)```yaml\n([^\n]*# ([a-z-]+\\.yaml)\n.*?)```")

func TestTheExamplesOfSchedulingAreThoseOfTheSamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/scheduling.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := example.FindAllStringSubmatch(string(page), -1)
	if len(examples) < 5 {
		t.Fatalf("found %d examples", len(examples))
	}
	for _, e := range examples {
		t.Run(e[2], func(t *testing.T) {
			var want map[string]any
			if err := yaml.Unmarshal([]byte(e[1]), &want); err != nil {
				t.Fatalf("%v in:\n%s", err, e[1])
			}
			for field, value := range want {
				if diff := cmp.Diff(value, policyField(t, e[2], field, value)); diff != "" {
					t.Errorf("%s (-page +sample):\n%s", field, diff)
				}
			}
		})
	}
}

// policyField is a part of the spec of a sample's policy: of a map, only the keys that are in like.
func policyField(t *testing.T, sample, field string, like any) any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(schedulingSamples, sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(string(content), -1) {
		var object struct {
			Kind string         `json:"kind"`
			Spec map[string]any `json:"spec"`
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object.Kind == "PropagationPolicy" {
			return partOf(map[string]any{"spec": object.Spec, "placement": object.Spec["placement"],
				"replicaScheduling": replicaScheduling(object.Spec)}[field], like)
		}
	}
	t.Fatalf("%s has no policy", sample)
	return nil
}

func replicaScheduling(spec map[string]any) any {
	placement, _ := spec["placement"].(map[string]any)
	return placement["replicaScheduling"]
}

// partOf leaves out what the page leaves out.
func partOf(value, like any) any {
	whole, isMap := value.(map[string]any)
	wanted, wantsMap := like.(map[string]any)
	if !isMap || !wantsMap {
		return value
	}
	part := map[string]any{}
	for key := range wanted {
		part[key] = whole[key]
	}
	return part
}
