package interpreting

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

const database = `
apiVersion: example.com/v1
kind: Database
metadata: {name: orders, namespace: shop, generation: 2}
spec: {shards: 3, template: {spec: {serviceAccountName: db, containers: [{name: db, image: db, resources: {requests: {cpu: 500m}}}]}}}
status: {observedGeneration: 1, phase: Up, nodes: [a, b]}
`

const lesson = `
apiVersion: flotilla.dev/v1alpha1
kind: ResourceInterpreter
metadata: {name: databases}
spec:
  target: {apiVersion: example.com/v1, kind: Database}
  replicas: {path: spec.shards}
  requirements: {podSpecPath: spec.template.spec}
  health: {expression: object.status.phase == "Up"}
  status: {fields: [phase]}
  dependencies: {expression: '[{"apiVersion": "v1", "kind": "Secret", "labelSelector": {"matchLabels": {"db": object.metadata.name}}}]'}
`

func interpret(t *testing.T, documents []string, args ...string) (string, error) {
	t.Helper()
	for i, document := range documents {
		path := filepath.Join(t.TempDir(), "document.yaml")
		if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
			t.Fatalf("document %d: %v", i, err)
		}
		args = append(args, "-f", path)
	}
	out := &bytes.Buffer{}
	cmd := NewInterpretCommand(genericiooptions.IOStreams{In: strings.NewReader(database), Out: out, ErrOut: &bytes.Buffer{}})
	cmd.SetArgs(args)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SilenceUsage = true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestInterpretShowsWhatIsUnderstood(t *testing.T) {
	for name, tc := range map[string]struct {
		documents []string
		args      []string
		want      string
	}{
		"of a kind that a file teaches": {[]string{lesson}, []string{"-f", "-"}, `Database shop/orders (example.com/v1)
WHAT         UNDERSTOOD                               FROM
replicas     3 x 500m cpu                             ResourceInterpreter databases
health       Healthy                                  ResourceInterpreter databases
status       {"phase":"Up"} of an older generation    ResourceInterpreter databases
dependency   Secret with db=orders                    ResourceInterpreter databases
dependency   ServiceAccount db                        ResourceInterpreter databases
`},
		"of a kind that nobody teaches": {[]string{"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n"}, nil, `Thing a (example.com/v1)
WHAT       UNDERSTOOD                     FROM
replicas   none: it cannot be divided     convention
health     Healthy                        convention
status     none                           convention
`},
		"of a kind with components": {[]string{"apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: a}\nspec: {headGroupSpec: {template: {spec: {tolerations: [{key: gpu}], nodeSelector: {zone: a}, containers: []}}}}\n"}, nil, `RayCluster a (ray.io/v1)
WHAT             UNDERSTOOD                                      FROM
component head   1 x no requests, nodes with zone=a, tolerates gpu   bundled ResourceInterpreter ray.io-raycluster
health           Unhealthy                                       bundled ResourceInterpreter ray.io-raycluster
status           none                                            bundled ResourceInterpreter ray.io-raycluster
`},
		"of every item of a list, as YAML": {[]string{"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}, {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}]\n"}, []string{"-o", "yaml"}, `- apiVersion: v1
  health: Healthy
  kind: ConfigMap
  name: a
  origins:
    aggregation: convention
    dependencies: convention
    health: convention
    replicas: convention
    status: convention
  upToDate: true
- apiVersion: v1
  health: Healthy
  kind: ConfigMap
  name: b
  origins:
    aggregation: convention
    dependencies: convention
    health: convention
    replicas: convention
    status: convention
  upToDate: true
`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := interpret(t, tc.documents, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(words(tc.want), words(got)); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
		})
	}
}

// words are a text's lines without the width of its columns.
func words(text string) [][]string {
	var lines [][]string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

func TestInterpretFails(t *testing.T) {
	for name, tc := range map[string]struct {
		documents []string
		args      []string
		want      string
	}{
		"for an expression that does not compile":      {[]string{strings.Replace(lesson, `"Up"`, `"Up" +`, 1)}, nil, "ResourceInterpreter databases: spec.health.expression: "},
		"for an expression that fails on the object":   {[]string{database, strings.Replace(lesson, "status.phase ==", "status.state ==", 1)}, nil, "Database shop/orders: ResourceInterpreter databases: spec.health.expression: no such key: state"},
		"for a field that ResourceInterpreter has not": {[]string{strings.Replace(lesson, "health:", "healthy:", 1)}, nil, `unknown field "healthy"`},
		"for a file that does not exist":               {nil, []string{"-f", "/does/not/exist"}, "reading what to interpret: "},
		"for a file without objects":                   {[]string{"# nothing\n"}, nil, "the files hold no object"},
		"for what is no object":                        {[]string{"a: b\n"}, nil, "document 1: "},
		"for an unknown format":                        {[]string{database}, []string{"-o", "wide"}, `unknown output format "wide"`},
		"without a file":                               {nil, nil, `required flag(s) "filename" not set`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := interpret(t, tc.documents, tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q", err, tc.want)
			}
		})
	}
}
