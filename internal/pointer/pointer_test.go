package pointer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func document() map[string]any {
	return map[string]any{"a": map[string]any{"b/c": int64(1), "~": "t"}, "l": []any{"x", map[string]any{"y": "z"}, "w"}}
}

func TestGet(t *testing.T) {
	for name, tc := range map[string]struct {
		pointer string
		want    any
		found   bool
	}{
		"a field":                    {"/l/1/y", "z", true},
		"a key with a slash":         {"/a/b~1c", int64(1), true},
		"a key that is a tilde":      {"/a/~0", "t", true},
		"an element":                 {"/l/0", "x", true},
		"no such field":              {"/a/x", nil, false},
		"no such element":            {"/l/3", nil, false},
		"a name in a list":           {"/l/last", nil, false},
		"the end, which is no place": {"/l/-", nil, false},
		"below a text":               {"/l/0/x", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, found := Parse(tc.pointer).Get(document())
			if diff := cmp.Diff(tc.want, got); diff != "" || found != tc.found {
				t.Errorf("Get() found %t, want %t (-want +got):\n%s", found, tc.found, diff)
			}
		})
	}
}

func TestSet(t *testing.T) {
	for name, tc := range map[string]struct {
		pointer string
		set     bool
	}{
		"a new field":         {"/a/new", true},
		"a field":             {"/l/1/y", true},
		"an element":          {"/l/2", true},
		"an element too many": {"/l/3", false},
		"below nothing":       {"/x/y", false},
		"below a text":        {"/l/0/y", false},
	} {
		t.Run(name, func(t *testing.T) {
			root := document()
			if set := Parse(tc.pointer).Set(root, "new"); set != tc.set {
				t.Fatalf("Set() = %t, want %t", set, tc.set)
			}
			if got, _ := Parse(tc.pointer).Get(root); tc.set && got != "new" {
				t.Errorf("the value is %v, want the new one", got)
			}
			if diff := cmp.Diff(document(), root); !tc.set && diff != "" {
				t.Errorf("the document was changed:\n%s", diff)
			}
		})
	}
}

func TestDeleteAllCountsPlacesAsTheyWere(t *testing.T) {
	root := document()
	DeleteAll(root, []Path{Parse("/l/0"), Parse("/l/2"), Parse("/l/1/y"), Parse("/a/no"), Parse("/l/9")})
	want := map[string]any{"a": map[string]any{"b/c": int64(1), "~": "t"}, "l": []any{map[string]any{}}}
	if diff := cmp.Diff(want, root); diff != "" {
		t.Errorf("DeleteAll() (-want +got):\n%s", diff)
	}
}

func TestEscapeIsUndoneByParse(t *testing.T) {
	for _, key := range []string{"plain", "a/b", "~", "~1", "a~0/b"} {
		if diff := cmp.Diff(Path{key}, Parse("/"+Escape(key))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", key, diff)
		}
	}
}
