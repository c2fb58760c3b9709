package eviction

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const flinkStatus = `{
	"jobStatus": {"jobId": "fd72014d", "state": "RUNNING", "savepoint": {"path": "s3://savepoints/17"}},
	"conditions": [{"type": "Ready", "status": "False"}, {"type": "Stable", "status": "True"}],
	"replicas": 3, "ratio": 0.5, "paused": false, "empty": "", "nothing": null, "list": ["a", "b"],
	"sizes": [{"name": "small", "n": 1}, {"name": "large", "n": 3}],
	"text": "two words", "dotted.key": "yes", "large": 9007199254740993, "million": 1000000
}`

func TestAPathIsWhatKubectlMakesOfIt(t *testing.T) {
	for name, tc := range map[string]struct{ path, want, err string }{
		"in braces":              {"{.jobStatus.jobId}", "fd72014d", ""},
		"bare":                   {".jobStatus.jobId", "fd72014d", ""},
		"from the root":          {"{$.jobStatus.savepoint.path}", "s3://savepoints/17", ""},
		"with text around":       {"job/{.jobStatus.jobId}", "job/fd72014d", ""},
		"two of them":            {"{.jobStatus.jobId}/{.jobStatus.state}", "", "exactly one {...}"},
		"many of them":           {strings.Repeat("{.text}", 100), "", "exactly one {...}"},
		"an index":               {".list[1]", "b", ""},
		"the last":               {".list[-1:]", "b", ""},
		"all":                    {".list[*]", "a b", ""},
		"a filter":               {`{.conditions[?(@.type=="Ready")].status}`, "False", ""},
		"a key with a dot":       {`.dotted\.key`, "yes", ""},
		"a number":               {".replicas", "3", ""},
		"a million":              {".million", "1000000", ""},
		"a large number":         {".large", "9007199254740993", ""},
		"a fraction":             {".ratio", "0.5", ""},
		"a truth":                {".paused", "false", ""},
		"a part":                 {".jobStatus.savepoint", `{"path":"s3://savepoints/17"}`, ""},
		"no such field":          {".jobStatus.none", "", "none is not found"},
		"no such index":          {".list[7]", "", "array index out of bounds"},
		"nothing that fits":      {`{.conditions[?(@.type=="None")].status}`, "", "the status has no value there"},
		"an empty text":          {".empty", "", "the status has no value there"},
		"a null":                 {".nothing", "", "the status has no value there"},
		"a filter with a number": {`{.sizes[?(@.n>2)].name}`, "large", ""},
		"no path":                {"{.list[", "", "the jsonPath is not valid"},
		"an open brace":          {"{.list", "", "the jsonPath is not valid"},
		"everything below":       {"{..path}", "", "must not have .., unions or ranges"},
		"a union":                {"{.list[0,1]}", "", "must not have .., unions or ranges"},
		"a range":                {"{range .list[*]}{.}{end}", "", "must not have .., unions or ranges"},
		"a descent inside":       {`{.conditions[?(@..type=="Ready")].status}`, "", "must not have .., unions or ranges"},
		"a field of a text":      {".text.more", "", "more is not found"},
		"an index of a text":     {".text[0]", "", "is not array or slice"},
	} {
		t.Run(name, func(t *testing.T) {
			status, err := statusOf(&v1alpha1.AggregatedStatusItem{Status: &runtime.RawExtension{Raw: []byte(flinkStatus)}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := extract(tc.path, status)
			if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("extract(%s) = %q, %v, want %q and an error with %q", tc.path, got, err, tc.want, tc.err)
			}
		})
	}
}

func TestWhatCannotBePreservedIsLeftOutAndNamed(t *testing.T) {
	label := func(name, path string) v1alpha1.StatePreservationRule {
		return v1alpha1.StatePreservationRule{AliasLabelName: name, JSONPath: path}
	}
	annotation := func(name, path string) v1alpha1.StatePreservationRule {
		return v1alpha1.StatePreservationRule{AliasAnnotationName: name, JSONPath: path}
	}
	long := `{"text": "` + strings.Repeat("x", maxValue+1) + `"}`
	for name, tc := range map[string]struct {
		rules  []v1alpha1.StatePreservationRule
		status string // flinkStatus when empty; - for none
		want   preserved
	}{
		"no rules": {},
		"labels and annotations": {
			rules: []v1alpha1.StatePreservationRule{label("job", ".jobStatus.jobId"), annotation("Example.com/savepoint", ".jobStatus.savepoint.path"), label("state", ".jobStatus.state")},
			want: preserved{labels: map[string]string{"job": "fd72014d", "state": "RUNNING"},
				annotations: map[string]string{"Example.com/savepoint": "s3://savepoints/17"}},
		},
		"one of two is missing": {
			rules: []v1alpha1.StatePreservationRule{label("none", ".none"), label("job", ".jobStatus.jobId")},
			want:  preserved{labels: map[string]string{"job": "fd72014d"}, lost: []string{"none (none is not found)"}},
		},
		"a value that is no label value": {
			rules: []v1alpha1.StatePreservationRule{label("text", ".text"), annotation("text", ".text")},
			want:  preserved{annotations: map[string]string{"text": "two words"}, lost: []string{"text (the value is no label value; an annotation can take it)"}},
		},
		"a value that is too long": {
			rules: []v1alpha1.StatePreservationRule{annotation("text", ".text")}, status: long,
			want: preserved{lost: []string{"text (the value has more than 4096 bytes)"}},
		},
		"a value that becomes too long": {
			rules: []v1alpha1.StatePreservationRule{annotation("items", ".items[*]")}, status: `{"items": ["` + strings.Repeat(`x", "`, maxValue) + `"]}`,
			want: preserved{lost: []string{"items (the value has more than 4096 bytes)"}},
		},
		"a large status and one rule": {
			rules: []v1alpha1.StatePreservationRule{annotation("job", ".job")}, status: `{"job": "7", "text": "` + strings.Repeat("x", maxReading/2) + `"}`,
			want: preserved{annotations: map[string]string{"job": "7"}},
		},
		"a large status and many rules": {
			rules: []v1alpha1.StatePreservationRule{annotation("job", ".job"), annotation("text", ".text")}, status: `{"job": "7", "text": "` + strings.Repeat("x", maxReading/2) + `"}`,
			want: preserved{lost: []string{"job (the status has 131096 bytes, too many for 2 rules)", "text (the status has 131096 bytes, too many for 2 rules)"}},
		},
		"a name that is none": {
			rules: []v1alpha1.StatePreservationRule{label("a b", ".text")},
			want:  preserved{lost: []string{"a b (it is not a valid name)"}},
		},
		"no status": {
			rules: []v1alpha1.StatePreservationRule{label("job", ".jobStatus.jobId")}, status: "-",
			want: preserved{lost: []string{"job (the member has not reported a status)"}},
		},
		"a status that is a list": {
			rules: []v1alpha1.StatePreservationRule{label("job", ".jobStatus.jobId")}, status: "[1]",
			want: preserved{lost: []string{"job (jobStatus is not found)"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			item := &v1alpha1.AggregatedStatusItem{ClusterName: "a"}
			switch tc.status {
			case "":
				item.Status = &runtime.RawExtension{Raw: []byte(flinkStatus)}
			case "-":
			default:
				item.Status = &runtime.RawExtension{Raw: []byte(tc.status)}
			}
			got := preserve(&v1alpha1.StatePreservation{Rules: tc.rules}, item)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(preserved{})); diff != "" {
				t.Errorf("preserve() (-want +got):\n%s", diff)
			}
		})
	}
	if got := preserve(nil, nil); len(got.lost) > 0 {
		t.Errorf("without rules %v is lost", got.lost)
	}
}

// Users write paths, and whatever they write must not stop the manager.
func FuzzExtract(f *testing.F) {
	for _, path := range []string{"{.a}", ".list[-1:]", `{.conditions[?(@.type=="Ready")].status}`, "{range .list[*]}{.}{end}", "{..}", "{.list[0:2:0]}", "{.a[?(@)]}", `{"a"}`, "{end}"} {
		f.Add(path)
	}
	status, err := statusOf(&v1alpha1.AggregatedStatusItem{Status: &runtime.RawExtension{Raw: []byte(flinkStatus)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, path string) { _, _ = extract(path, status) })
}
