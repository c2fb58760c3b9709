package applyplan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/flotilla-dev/flotilla/internal/pointer"
)

// fromJSON reads an object; whole numbers are int64, as from an API server.
func fromJSON(t testing.TB, text string) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
	return value
}

const containers = `{"spec":{"replicas":3,"c":[{"name":"a","image":"x"},{"name":"b","image":"y"}]},"data":{"k/1":"v"}}`

func TestWithoutTakesFieldsOut(t *testing.T) {
	for name, tc := range map[string]struct {
		pointers []string
		want     string
	}{
		"nothing":                     {nil, containers},
		"a field":                     {[]string{"/spec/replicas"}, `{"spec":{"c":[{"name":"a","image":"x"},{"name":"b","image":"y"}]},"data":{"k/1":"v"}}`},
		"a key with a slash":          {[]string{"/data/k~11"}, `{"spec":{"replicas":3,"c":[{"name":"a","image":"x"},{"name":"b","image":"y"}]},"data":{}}`},
		"a field of an element":       {[]string{"/spec/c/1/image"}, `{"spec":{"replicas":3,"c":[{"name":"a","image":"x"},{"name":"b"}]},"data":{"k/1":"v"}}`},
		"two elements, in any order":  {[]string{"/spec/c/0", "/spec/c/1"}, `{"spec":{"replicas":3,"c":[]},"data":{"k/1":"v"}}`},
		"what leads nowhere":          {[]string{"/spec/c/7", "/spec/c/x", "/no/such", "/spec/replicas/deep"}, containers},
		"a whole object and its part": {[]string{"/spec", "/spec/replicas"}, `{"data":{"k/1":"v"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := fromJSON(t, containers)
			got := Without(manifest, tc.pointers)
			if diff := cmp.Diff(fromJSON(t, tc.want), got); diff != "" {
				t.Errorf("Without() (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(fromJSON(t, containers), manifest); diff != "" {
				t.Errorf("the manifest was changed:\n%s", diff)
			}
		})
	}
}

func TestAFieldThatIsLeftToTheMember(t *testing.T) {
	left := func(pointers ...string) Desired {
		initial := fromJSON(t, containers)
		return Desired{Manifest: Without(initial, pointers), Initial: initial, Left: pointers}
	}
	owned := func(text string) *Live { return &Live{Owned: text} }
	for name, tc := range map[string]struct {
		desired Desired
		live    *Live
		want    string
	}{
		"is given when the object is created": {left("/spec/replicas"), nil, containers},
		"is repeated as the member has it while it is ours": {
			left("/spec/replicas"), owned(`{"f:spec":{"f:replicas":5}}`),
			`{"spec":{"replicas":5,"c":[{"name":"a","image":"x"},{"name":"b","image":"y"}]},"data":{"k/1":"v"}}`,
		},
		"is left out when somebody else has taken it": {
			left("/spec/replicas"), owned(`{"f:spec":{"f:c":{}}}`),
			`{"spec":{"c":[{"name":"a","image":"x"},{"name":"b","image":"y"}]},"data":{"k/1":"v"}}`,
		},
		"is found in the element of a list by its key": {
			left("/spec/c/1/image"), owned(`{"f:spec":{"f:c":{"k:{\"name\":\"b\"}":{"f:image":"z"},"k:{\"name\":\"a\"}":{"f:image":"w"}}}}`),
			`{"spec":{"replicas":3,"c":[{"name":"a","image":"x"},{"name":"b","image":"z"}]},"data":{"k/1":"v"}}`,
		},
		"may be a whole object": {
			left("/data"), owned(`{"f:data":{"f:k/1":"w"}}`),
			`{"spec":{"replicas":3,"c":[{"name":"a","image":"x"},{"name":"b","image":"y"}]},"data":{"k/1":"w"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(fromJSON(t, tc.want), tc.desired.Content(tc.live)); diff != "" {
				t.Errorf("Content() (-want +got):\n%s", diff)
			}
		})
	}
}

// leaf holds a list and a map that are owned as a whole each: the tree has them as they are.
const leaf = `{"spec":{"args":["--level=1","--size=2","--new"],"nodes":{"disk":"ssd","zone":"a"},"limits":[{"big":9007199254740993}]}}`

func TestAFieldWithinAValueThatIsOwnedAsAWhole(t *testing.T) {
	owned := `{"f:spec":{"f:args":["--level=7","--size=2","--new"],"f:nodes":{"disk":"hdd","zone":"a"},"f:limits":[{"big":9007199254740995}]}}`
	for name, tc := range map[string]struct {
		left []string
		want string
	}{
		"is an element of a list": {
			[]string{"/spec/args/0"},
			`{"spec":{"args":["--level=7","--size=2","--new"],"nodes":{"disk":"ssd","zone":"a"},"limits":[{"big":9007199254740993}]}}`,
		},
		"is a key of a map": {
			[]string{"/spec/nodes/disk"},
			`{"spec":{"args":["--level=1","--size=2","--new"],"nodes":{"disk":"hdd","zone":"a"},"limits":[{"big":9007199254740993}]}}`,
		},
		"is a large number in an object in a list": {
			[]string{"/spec/limits/0/big"},
			`{"spec":{"args":["--level=1","--size=2","--new"],"nodes":{"disk":"ssd","zone":"a"},"limits":[{"big":9007199254740995}]}}`,
		},
		"are several elements of one list": {
			[]string{"/spec/args/0", "/spec/args/1"},
			`{"spec":{"args":["--level=7","--size=2","--new"],"nodes":{"disk":"ssd","zone":"a"},"limits":[{"big":9007199254740993}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			initial := fromJSON(t, leaf)
			desired := Desired{Manifest: Without(initial, tc.left), Initial: initial, Left: tc.left, Hash: "h1"}
			if diff := cmp.Diff(fromJSON(t, tc.want), desired.Content(&Live{Owned: owned})); diff != "" {
				t.Errorf("Content() (-want +got):\n%s", diff)
			}
			live := ours(func(l *Live) {
				l.Owned = `{"f:spec":{"f:args":["--level=1","--size=2","--new"],"f:nodes":{"disk":"ssd","zone":"a"},"f:limits":[{"big":9007199254740993}]}}`
			})
			accepted := &Accepted{UID: "u1", Hash: "h1", Owned: live.Owned}
			for _, field := range tc.left {
				path, _, _ := treePath(ownedTree(live.Owned), initial, pointer.Parse(field))
				changed := ownedTree(live.Owned)
				path.Set(changed, "theirs")
				live.Owned = text(t, changed)
			}
			for _, known := range []*Accepted{nil, accepted} {
				got := Decide(Facts{Binding: binding, Wanted: true, Desired: desired, Live: live, Accepted: known})
				if diff := cmp.Diff(Decision{Nothing, InSync}, got); diff != "" {
					t.Errorf("Decide() after a change of what is left, accepted %v (-want +got):\n%s", known, diff)
				}
			}
			live.Owned = strings.ReplaceAll(live.Owned, `"--new"`, `"--old"`)
			for _, known := range []*Accepted{nil, accepted} {
				got := Decide(Facts{Binding: binding, Wanted: true, Desired: desired, Live: live, Accepted: known})
				if diff := cmp.Diff(Decision{Update, Drifted}, got); diff != "" {
					t.Errorf("Decide() after a change beside it, accepted %v (-want +got):\n%s", known, diff)
				}
			}
		})
	}
}

func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestChangesOfWhatIsLeftToTheMemberAreNoDrift(t *testing.T) {
	initial := fromJSON(t, `{"spec":{"replicas":3,"paused":true}}`)
	desired := Desired{Manifest: Without(initial, []string{"/spec/replicas"}), Initial: initial, Left: []string{"/spec/replicas"}, Hash: "h1"}
	accepted := &Accepted{UID: "u1", Hash: "h1", Owned: `{"f:spec":{"f:paused":true,"f:replicas":3}}`}
	for name, tc := range map[string]struct {
		owned string
		want  Decision
	}{
		"another value":                  {`{"f:spec":{"f:paused":true,"f:replicas":7}}`, Decision{Nothing, InSync}},
		"a field that somebody took":     {`{"f:spec":{"f:paused":true}}`, Decision{Nothing, InSync}},
		"a change of what is not left":   {`{"f:spec":{"f:paused":false,"f:replicas":3}}`, Decision{Update, Drifted}},
		"a loss of all that is not left": {`{"f:spec":{"f:replicas":3}}`, Decision{Update, Drifted}},
	} {
		t.Run(name, func(t *testing.T) {
			live := ours(func(l *Live) { l.Owned = tc.owned })
			for _, known := range []*Accepted{nil, accepted} {
				got := Decide(Facts{Binding: binding, Wanted: true, Desired: desired, Live: live, Accepted: known})
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("Decide(), accepted %v (-want +got):\n%s", known, diff)
				}
			}
		})
	}
}

func TestDifferences(t *testing.T) {
	manifest := `{"apiVersion":"v1","kind":"Thing","metadata":{"name":"web","labels":{"app":"web","flotilla.dev/managed":"true"}},
		"spec":{"replicas":3,"c":[{"name":"a","image":"x"}],"args":["1","2"],"empty":{}}}`
	for name, tc := range map[string]struct {
		live string
		want []Difference
	}{
		"none, with defaults, a sidecar and a status beside it": {
			`{"apiVersion":"v1","kind":"Thing","metadata":{"name":"web","uid":"1","labels":{"app":"web","more":"1"}},
			"spec":{"replicas":3,"c":[{"name":"mesh"},{"name":"a","image":"x","pull":"Always"}],"args":["1","2"]},"status":{"ready":1}}`, nil,
		},
		"a value, a label and an element": {
			`{"apiVersion":"v1","kind":"Thing","metadata":{"name":"web"},"spec":{"replicas":4,"c":[{"name":"b"}],"args":["1","2"]}}`,
			[]Difference{
				{Path: "/metadata/labels", Wanted: map[string]any{"app": "web"}},
				{Path: "/spec/c/0", Wanted: map[string]any{"name": "a", "image": "x"}},
				{Path: "/spec/replicas", Wanted: int64(3), Found: int64(4)},
			},
		},
		"a list of another length, and a value of another type": {
			`{"apiVersion":"v1","kind":"Thing","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"replicas":"three","c":[{"name":"a","image":"x"}],"args":["1"]}}`,
			[]Difference{
				{Path: "/spec/args", Wanted: []any{"1", "2"}, Found: []any{"1"}},
				{Path: "/spec/replicas", Wanted: int64(3), Found: "three"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Differences(fromJSON(t, manifest), fromJSON(t, tc.live), 10)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Differences() (-want +got):\n%s", diff)
			}
			if bounded := Differences(fromJSON(t, manifest), fromJSON(t, tc.live), 1); len(bounded) > 1 {
				t.Errorf("Differences() with a limit of 1 gives %d", len(bounded))
			}
		})
	}
}
