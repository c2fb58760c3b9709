package placing

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlfake "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

// fakeHost is a host with a fake client; nil: it must not be asked.
type fakeHost struct{ c client.Client }

func (f fakeHost) Client() (client.Client, error) {
	if f.c == nil {
		return nil, errors.New("the host was asked")
	}
	return f.c, nil
}

func (f fakeHost) Namespace() (string, error) { return "shop", nil }

// hostWith is a host that knows the scope of the kinds in tests.
func hostWith(objects ...client.Object) fakeHost {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"PropagationPolicy", "ResourceBinding"} {
		mapper.Add(v1alpha1.GroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	for _, kind := range []string{"ClusterPropagationPolicy", "ClusterResourceBinding", "Cluster"} {
		mapper.Add(v1alpha1.GroupVersion.WithKind(kind), meta.RESTScopeRoot)
	}
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	return fakeHost{ctrlfake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithRESTMapper(mapper).WithObjects(objects...).Build()}
}

// inFile writes a file for a test.
func inFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// simulated is what simulate prints.
func simulated(t *testing.T, f simulateFlags, h liveHost, stdin string) (string, error) {
	t.Helper()
	if f.capacity == "" {
		f.capacity = "summary"
	}
	s, err := f.run(t.Context(), h, strings.NewReader(stdin), now)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := printAs(&out, f.output, s, func(w io.Writer) error { return printSimulation(w, s) }); err != nil {
		t.Fatal(err)
	}
	return trimmed(out.String()), nil
}

const (
	policyText1 = `apiVersion: flotilla.dev/v1alpha1
kind: PropagationPolicy
metadata: {name: web}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  placement:
    clusterAffinity: {clusterNames: [berlin, rome]}
    replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted}
`
	templateText1 = `apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec: {replicas: 4}
`
	clustersText = `apiVersion: v1
kind: List
items:
- apiVersion: flotilla.dev/v1alpha1
  kind: Cluster
  metadata: {name: berlin}
- apiVersion: flotilla.dev/v1alpha1
  kind: Cluster
  metadata: {name: rome}
- apiVersion: flotilla.dev/v1alpha1
  kind: Cluster
  metadata: {name: paris}
`
)

func TestSimulateSaysWhatWouldChange(t *testing.T) {
	berlin, paris, rome := serving("berlin", withFree(4)), serving("paris", withFree(3)), serving("rome", withFree(8))
	policy := policyFor("web", dividedPlacement("berlin", "paris"))
	web := bindingFor(webTemplate(3), policy, berlin, paris)
	api := webTemplate(4)
	api.SetName("api")
	api.SetUID("uid-api")
	other := bindingFor(api, policy, berlin, paris)
	live := hostWith(berlin, paris, rome, policy, web, other, webTemplate(3), api)
	cases := map[string]struct {
		flags func(t *testing.T) simulateFlags
		host  liveHost
		stdin string
		want  string
	}{
		"an edited policy moves its live templates": {
			flags: func(t *testing.T) simulateFlags {
				return simulateFlags{files: []string{inFile(t, "policy.yaml", policyText1)}}
			},
			host: live, want: `
TEMPLATE              POLICY   TODAY              THEN              CHANGE             REASON    TRIGGER
Deployment shop/api   web      berlin:2 paris:2   berlin:2 rome:2   -paris:2 +rome:2   Success   PlacementChanged
Deployment shop/web   web      berlin:2 paris:1   berlin:2 rome:1   -paris:1 +rome:1   Success   PlacementChanged

2 templates, 2 changed; replicas: 3 moved, 0 added, 0 removed, 0 pending.
`,
		},
		"a cluster is lost, and what it held competes for the room that is left": {
			flags: func(*testing.T) simulateFlags { return simulateFlags{without: []string{"berlin"}} },
			host:  live, want: `
TEMPLATE              POLICY   TODAY              THEN      CHANGE                 PENDING   REASON          TRIGGER
Deployment shop/api   web      berlin:2 paris:2   paris:4   -berlin:2 paris:2->4   -         Success         ClusterGone
Deployment shop/web   web      berlin:2 paris:1   paris:2   -berlin:2 paris:1->2   1         Unschedulable   ClusterGone

Deployment shop/web: 2 of 3 replicas placed, 1 pending: 0/2 clusters can take more: 1 did not match the affinity, 1 had too little cpu
Room: from the summaries of paris, rome
2 templates, 2 changed; replicas: 3 moved, 0 added, 1 removed, 1 pending.
`,
		},
		"no host is needed when everything is in files": {
			flags: func(t *testing.T) simulateFlags {
				return simulateFlags{files: []string{"-"}, clusterFile: inFile(t, "clusters.yaml", clustersText)}
			},
			stdin: policyText1 + "---\n" + templateText1, host: fakeHost{}, want: `
TEMPLATE              POLICY   TODAY   THEN              CHANGE              REASON    TRIGGER
Deployment shop/api   web      -       berlin:2 rome:2   +berlin:2 +rome:2   Success   New

CLUSTER   CHOSEN   NOW   WEIGHT   RULE               WHY                          TO CHANGE IT
berlin    yes      2     1        Selected           gets the template            -
rome      yes      2     1        Selected           gets the template            -
paris     no       -     -        AffinityMismatch   did not match the affinity   edit the affinity in the placement, or the Cluster's labels and fields, until they match

Taken to serve every kind, since their file does not say: berlin, rome, paris.
1 template, 1 changed; replicas: 0 moved, 4 added, 0 removed, 0 pending.
`,
		},
		"a new policy does not take templates from the one that governs them": {
			flags: func(t *testing.T) simulateFlags {
				return simulateFlags{files: []string{inFile(t, "policy.yaml", strings.ReplaceAll(policyText1, "name: web", "name: another"))}}
			},
			host: hostWith(berlin, paris, rome, policy, web, webTemplate(3)), want: `
TEMPLATE              POLICY   TODAY              THEN               CHANGE   REASON
Deployment shop/web   web      berlin:2 paris:1   berlin:2 paris:1   -        Success

CLUSTER   CHOSEN   BEFORE   NOW   ROOM   RULE               WHY                          TO CHANGE IT
berlin    yes      2        2     4      Selected           gets the template            -
paris     yes      1        1     3      Selected           gets the template            -
rome      no       -        -     -      AffinityMismatch   did not match the affinity   edit the affinity in the placement, or the Cluster's labels and fields, until they match

Deployment shop/web: it stays with PropagationPolicy shop/web, not with a policy of the files: selected by kind; no other policy selects it
Room: from the summaries of berlin, paris, rome
1 template, 0 changed; replicas: 0 moved, 0 added, 0 removed, 0 pending.
`,
		},
		"nothing is selected": {
			flags: func(t *testing.T) simulateFlags {
				return simulateFlags{files: []string{inFile(t, "policy.yaml", strings.ReplaceAll(policyText1, "kind: Deployment", "kind: StatefulSet"))}}
			},
			host: hostWith(berlin, policyFor("another", v1alpha1.Placement{})), want: `
No template is selected: nothing changes.
`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := simulated(t, tc.flags(t), tc.host, tc.stdin)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want[1:], got); diff != "" {
				t.Errorf("simulate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSimulateRefusesWhatItCannotUnderstand(t *testing.T) {
	cases := map[string]struct {
		flags func(t *testing.T) simulateFlags
		stdin string
		want  string
	}{
		"no flag at all": {
			func(*testing.T) simulateFlags { return simulateFlags{} }, "", "nothing to simulate: give a policy with -f",
		},
		"a format that does not exist": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}, output: "xml"} }, "", `unknown output format "xml": use table, json or yaml`,
		},
		"a source of capacity that does not exist": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}, capacity: "guess"} }, "", `unknown source of capacity "guess": use nodes, summary or none`,
		},
		"stdin twice": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}, clusterFile: "-"} }, "", "cannot both read stdin",
		},
		"a file that is not there": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"absent.yaml"}} }, "", "absent.yaml: no such file or directory",
		},
		"an empty stream": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}} }, "# nothing\n", "stdin: holds no object",
		},
		"YAML that is none": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}} }, policyText1 + "---\na: b: c\n", "stdin, document 2: ",
		},
		"an object without a kind": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}} }, "metadata: {name: x}\n", "stdin, document 1: ",
		},
		"an object without a name": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}} }, "apiVersion: v1\nkind: ConfigMap\n", "stdin, document 1: a ConfigMap without metadata.name",
		},
		"a typing error in a policy": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}} }, strings.ReplaceAll(policyText1, "clusterAffinity", "clusterAfinity"),
			`stdin, document 1: PropagationPolicy web: strict decoding error: unknown field "spec.placement.clusterAfinity"`,
		},
		"another version of the API": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}} }, strings.ReplaceAll(policyText1, "v1alpha1", "v9"),
			"stdin, document 1: apiVersion flotilla.dev/v9 is not known: use flotilla.dev/v1alpha1",
		},
		"a Cluster among the templates": {
			func(*testing.T) simulateFlags { return simulateFlags{files: []string{"-"}} }, clustersText,
			"stdin, document 1, item 1: a Cluster: give the file of the clusters with --cluster-file",
		},
		"a template among the clusters": {
			func(t *testing.T) simulateFlags {
				return simulateFlags{files: []string{"-"}, clusterFile: inFile(t, "c.yaml", templateText1)}
			}, policyText1 + "---\n" + templateText1, "c.yaml, document 1: a Deployment: only Clusters belong into --cluster-file",
		},
		"a cluster that is there twice": {
			func(t *testing.T) simulateFlags {
				return simulateFlags{files: []string{"-"}, clusterFile: inFile(t, "c.yaml", strings.ReplaceAll(clustersText, "rome", "berlin"))}
			}, templateText1, "document 1, item 2: the Cluster berlin is there twice",
		},
		"a cluster that has not joined is taken away": {
			func(*testing.T) simulateFlags { return simulateFlags{without: []string{"oslo"}} }, "", `--without: no cluster has joined as "oslo"; these have: berlin`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := simulated(t, tc.flags(t), hostWith(serving("berlin")), tc.stdin)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("simulate = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestAProgramReadsWhatAPersonDoes(t *testing.T) {
	flags := simulateFlags{files: []string{"-"}, clusterFile: inFile(t, "clusters.yaml", clustersText), output: "json"}
	asJSON, err := simulated(t, flags, fakeHost{}, policyText1+"---\n"+templateText1)
	if err != nil {
		t.Fatal(err)
	}
	flags.output = "yaml"
	asYAML, err := simulated(t, flags, fakeHost{}, policyText1+"---\n"+templateText1)
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML Simulation
	if err := json.Unmarshal([]byte(asJSON), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(asYAML), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("YAML says another thing than JSON (-json +yaml):\n%s", diff)
	}
	if len(fromJSON.Templates) != 1 || fromJSON.Templates[0].Decision == nil || len(fromJSON.Templates[0].Clusters) != 3 {
		t.Errorf("simulate -o json = %s", asJSON)
	}
	for _, want := range []string{`"templates": [`, `"changes": [`, `"change": "Added"`, `"pendingReplicas": 0`, `"rule": "AffinityMismatch"`, `"hint": `} {
		if !strings.Contains(asJSON, want) {
			t.Errorf("simulate -o json lacks %s:\n%s", want, asJSON)
		}
	}
}
