package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// exampleFiles are where a console takes the first object of a kind from: of each kind the first one that is found.
var exampleFiles = []string{
	"config/samples/cluster.yaml",
	"config/samples/scheduling/static-weights.yaml",
	"config/samples/clusterpropagationpolicy.yaml",
	"config/samples/overrides/images.yaml",
	"config/samples/overrides/order.yaml",
	"config/samples/clustertaintpolicy.yaml",
	"config/samples/templates/claim.yaml",
	"config/samples/templates/priority-class.yaml",
	"config/samples/interpreters/database.yaml",
	"config/samples/workloadrebalancer.yaml",
	manifestsDir + "/bindings.yaml",
}

// examples is a JSON list with one object of each kind.
func examples(root string) (string, error) {
	var list []map[string]any
	seen := map[any]bool{}
	for _, name := range exampleFiles {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "", fmt.Errorf("reading an example: %w", err)
		}
		for _, text := range bytes.Split(content, []byte("\n---\n")) {
			object := map[string]any{}
			if err := yaml.Unmarshal(text, &object); err != nil {
				return "", fmt.Errorf("reading the example %s: %w", name, err)
			}
			version, _ := object["apiVersion"].(string)
			if strings.HasPrefix(version, apiGroup+"/") && !seen[object["kind"]] {
				seen[object["kind"]] = true
				list = append(list, object)
			}
		}
	}
	encoded, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the examples: %w", err)
	}
	return string(encoded), nil
}
