package admission

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	config "github.com/flotilla-dev/flotilla/config/admission"
)

func policiesOf(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	policies, err := readPolicies(config.Files)
	if err != nil {
		t.Fatal(err)
	}
	return policies
}

func TestEveryPolicyOfTheFolderIsEmbedded(t *testing.T) {
	var want []string
	for _, folder := range []string{"../../config/admission", "../../config/admission/mutating"} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), ".yaml") {
				continue
			}
			content, err := os.ReadFile(folder + "/" + entry.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(`(?m)^kind: (\w*AdmissionPolicy\w*)\nmetadata:\n  name: (\S+)$`).FindAllSubmatch(content, -1) {
				want = append(want, string(match[1])+"/"+string(match[2]))
			}
		}
	}
	var got []string
	for _, policy := range policiesOf(t) {
		got = append(got, policy.GetKind()+"/"+policy.GetName())
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 {
		t.Fatal("found no policy on disk: the test looks in the wrong place")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies on disk (-) and in the binary (+) differ:\n%s", diff)
	}
}

func TestEveryPolicyIsBoundAndNothingElseIs(t *testing.T) {
	defined, bound := map[string]bool{}, map[string]bool{}
	for _, policy := range policiesOf(t) {
		kind, isBinding := strings.CutSuffix(policy.GetKind(), "Binding")
		if !isBinding {
			defined[kind+"/"+policy.GetName()] = true
			continue
		}
		name, _, err := unstructured.NestedString(policy.Object, "spec", "policyName")
		if err != nil {
			t.Fatal(err)
		}
		bound[kind+"/"+name] = true
	}
	if diff := cmp.Diff(defined, bound); diff != "" {
		t.Errorf("policies defined (-) and bound (+) differ:\n%s", diff)
	}
}

func TestTheManagerMayWriteExactlyTheEmbeddedPolicies(t *testing.T) {
	source, err := os.ReadFile("installer.go")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`kubebuilder:rbac:.*groups=admissionregistration.k8s.io.*resourceNames=(\S+)`).FindSubmatch(source)
	if match == nil {
		t.Fatal("found no RBAC marker in installer.go")
	}
	granted := map[string]bool{}
	for name := range strings.SplitSeq(string(match[1]), ";") {
		granted[name] = true
	}
	embedded := map[string]bool{}
	for _, policy := range policiesOf(t) {
		embedded[policy.GetName()] = true
	}
	if diff := cmp.Diff(embedded, granted); diff != "" {
		t.Errorf("names embedded (-) and granted (+) differ:\n%s", diff)
	}
}

func TestAPolicyThatIsNoYAMLIsAnErrorThatNamesTheFile(t *testing.T) {
	_, err := readPolicies(fstest.MapFS{"broken.yaml": {Data: []byte("a: [")}})
	if err == nil || !strings.Contains(err.Error(), "broken.yaml") {
		t.Errorf("error = %v, want one that names broken.yaml", err)
	}
}
