package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestAFleetThatCannotBeIsRefusedWithTheReason(t *testing.T) {
	occupied := t.TempDir()
	if err := os.WriteFile(filepath.Join(occupied, "thesis.txt"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		options Options
		want    string
	}{
		"no folder":                   {Options{}, "folder of the fleet is missing"},
		"negative members":            {Options{Dir: "x", Members: -1}, "cannot be negative"},
		"nodes of an unknown member":  {Options{Dir: "x", Members: 1, MemberNodes: map[string]NodeGroup{"member2": {}}}, `nodes are given for "member2", which is none of the 1 members`},
		"more apart than there are":   {Options{Dir: "x", Members: 1, Apart: 2}, "2 of 1 members cannot stay apart"},
		"no topology at all":          {Options{Dir: "x", Topology: "round"}, `topology "round" is none of`},
		"a folder of something else":  {Options{Dir: occupied}, "holds something else than a fleet"},
		"a folder of that is no file": {Options{Dir: filepath.Join(occupied, "thesis.txt")}, "not a directory"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Up(t.Context(), tc.options)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one that contains %q", err, tc.want)
			}
		})
	}
}

func TestANodeGroupIsACountAndASize(t *testing.T) {
	quantities := func(pairs ...string) corev1.ResourceList {
		list := corev1.ResourceList{}
		for i := 0; i < len(pairs); i += 2 {
			list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		return list
	}
	tests := map[string]struct {
		text    string
		want    NodeGroup
		problem string
	}{
		"a count":                         {text: "3", want: NodeGroup{Count: 3}},
		"a part of the size":              {text: "2xcpu=4", want: NodeGroup{Count: 2, Size: quantities("cpu", "4", "memory", "64Gi", "pods", "250")}},
		"all of it, and another resource": {text: "1xcpu=4,memory=8Gi,pods=10,example.com/gpu=2", want: NodeGroup{Count: 1, Size: quantities("cpu", "4", "memory", "8Gi", "pods", "10", "example.com/gpu", "2")}},
		"no count":                        {text: "cpu=4", problem: `"cpu=4" is not of the form 2xcpu=4,memory=8Gi`},
		"a count below zero":              {text: "-1", problem: "is not of the form"},
		"no size after all":               {text: "2x", problem: `"" is not of the form cpu=4`},
		"no amount":                       {text: "2xcpu=many", problem: `"many" is no amount of cpu`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseNodeGroup(tc.text)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("got error %v, want one that contains %q", err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("the group (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDownLeavesAFolderThatNeverHeldAFleetAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, programsDir)
	if err := os.Mkdir(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, filepath.Join(dir, "missing")} {
		if err := Down(t.Context(), dir, nil); err != nil {
			t.Errorf("down of %s: %v", dir, err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("down created a folder: %v", err)
	}
}

func TestPortsBelongToOneFleetUntilItsStateIsGone(t *testing.T) {
	register := portRegister{filepath.Join(t.TempDir(), "ports.json")}
	take := func(fleet folder) map[int]bool {
		t.Helper()
		ports, err := register.take(t.Context(), fleet, 20)
		if err != nil {
			t.Fatal(err)
		}
		set := map[int]bool{}
		for _, port := range ports {
			set[port] = true
		}
		if len(set) != 20 {
			t.Fatalf("got %d different ports, want 20", len(set))
		}
		return set
	}
	first := folder(t.TempDir())
	if err := os.WriteFile(first.path(stateFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := take(first)
	for range 100 {
		for port := range take(folder(t.TempDir())) {
			if ours[port] {
				t.Fatalf("port %d was given to two fleets", port)
			}
		}
	}
	if diff := cmp.Diff(ours, take(first)); diff != "" {
		t.Errorf("ports after starting again in the same folder (-want +got):\n%s", diff)
	}
}

func TestAnAddressOfATestIsKeptFromFleets(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	address := Address(t)
	register, err := newPortRegister()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := register.take(t.Context(), folder(t.TempDir()), 20); err != nil {
		t.Fatal(err)
	}
	kept := false
	err = register.change(t.Context(), func(taken map[folder][]int) error {
		for _, ports := range taken {
			kept = kept || slices.ContainsFunc(ports, func(port int) bool { return address == fmt.Sprintf("127.0.0.1:%d", port) })
		}
		return nil
	})
	if err != nil || !kept {
		t.Errorf("address %s is kept from fleets: %v, %v", address, kept, err)
	}
}

func TestRequestsAreCountedByKind(t *testing.T) {
	const text = `# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",group="apps",resource="deployments",scope="resource",subresource="status",verb="APPLY",version="v1"} 3
apiserver_request_total{code="200",component="apiserver",group="apps",resource="deployments",scope="cluster",subresource="",verb="LIST",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",group="apps",resource="deployments",scope="namespace",subresource="",verb="LIST",version="v1"} 5
`
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	status := Request{Verb: "APPLY", Group: "apps", Resource: "deployments", Subresource: "status", Code: "200"}
	list := Request{Verb: "LIST", Group: "apps", Resource: "deployments", Code: "200"}
	counts := countRequests(families[requestMetric])
	if diff := cmp.Diff(RequestCounts{status: 3, list: 7}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(RequestCounts{status: 1}, counts.Since(RequestCounts{status: 2, list: 7})); diff != "" {
		t.Errorf("counts since (-want +got):\n%s", diff)
	}
	if got := counts.Total(Request.Write); got != 3 {
		t.Errorf("writes: got %d, want 3", got)
	}
	if diff := cmp.Diff(RequestCounts{}, countRequests((*dto.MetricFamily)(nil))); diff != "" {
		t.Errorf("counts of nothing (-want +got):\n%s", diff)
	}
}
