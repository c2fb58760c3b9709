package applyplan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const binding = "shop/web"

// ours is an object that this host applied and nobody changed.
func ours(changes ...func(*Live)) *Live {
	live := &Live{UID: "u1", ResourceVersion: "7", Ours: true, Binding: binding, Hash: "h1", Owned: `{"f:data":{"f:a":"1"}}`}
	for _, change := range changes {
		change(live)
	}
	return live
}

func foreign(l *Live)      { l.Ours, l.Binding, l.Hash = false, "", "" }
func deleting(l *Live)     { l.Deleting = true }
func otherHash(l *Live)    { l.Hash = "h0" }
func otherBinding(l *Live) { l.Binding = "shop/api" }
func changed(l *Live)      { l.Owned = `{"f:data":{"f:a":"2"}}` }
func taken(l *Live)        { l.Owned = `{}` }

var manifest = Desired{Manifest: map[string]any{"data": map[string]any{"a": "1"}}, Hash: "h1"}

func TestAnObjectThatIsWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		live      *Live
		overwrite bool
		accepted  *Accepted
		want      Decision
	}{
		"is created where there is none":               {nil, false, nil, Decision{Create, Absent}},
		"is left alone when it is as applied":          {ours(), false, nil, Decision{Nothing, InSync}},
		"is updated when the manifest is another one":  {ours(otherHash), false, nil, Decision{Update, ManifestChanged}},
		"is put back when a value was changed":         {ours(changed), false, nil, Decision{Update, Drifted}},
		"is put back when a field was taken":           {ours(taken), false, nil, Decision{Update, Drifted}},
		"waits for the end of a deletion":              {ours(deleting), false, nil, Decision{Wait, BeingDeleted}},
		"is refused when a foreign one is there":       {ours(foreign), false, nil, Decision{Refuse, Foreign}},
		"takes a foreign one over when told to":        {ours(foreign), true, nil, Decision{Update, TakenOver}},
		"is refused also while the foreign one leaves": {ours(foreign, deleting), false, nil, Decision{Wait, BeingDeleted}},
		"is no drift where the member itself changed what it was given": {
			ours(changed), false, &Accepted{UID: "u1", Hash: "h1", Owned: `{"f:data":{"f:a":"2"}}`}, Decision{Nothing, InSync},
		},
		"is drift where somebody changed what the member made of it": {
			ours(), false, &Accepted{UID: "u1", Hash: "h1", Owned: `{"f:data":{"f:a":"2"}}`}, Decision{Update, Drifted},
		},
		"is not measured by the answer for an older manifest": {
			ours(), false, &Accepted{UID: "u1", Hash: "h0", Owned: `{}`}, Decision{Nothing, InSync},
		},
		"is not measured by the answer for an older namesake": {
			ours(), false, &Accepted{UID: "u0", Hash: "h1", Owned: `{}`}, Decision{Nothing, InSync},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(Facts{Binding: binding, Wanted: true, Overwrite: tc.overwrite, Desired: manifest, Live: tc.live, Accepted: tc.accepted})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Decide() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnObjectThatIsNotWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		live *Live
		keep bool
		want Decision
	}{
		"is gone where there is none":                      {nil, false, Decision{Gone, Absent}},
		"is deleted when it is ours":                       {ours(), false, Decision{Delete, Unwanted}},
		"is released when it is kept":                      {ours(), true, Decision{Release, Unwanted}},
		"is left alone when it is foreign":                 {ours(foreign), false, Decision{Gone, Foreign}},
		"is left alone when another binding's mark is set": {ours(otherBinding), false, Decision{Gone, OtherBinding}},
		"waits for the end of its deletion":                {ours(deleting), false, Decision{Wait, BeingDeleted}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(Facts{Binding: binding, Keep: tc.keep, Overwrite: true, Desired: manifest, Live: tc.live})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Decide() differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOnlyOurOwnObjectsAreEverDeletedOrReleased goes through every combination of facts.
func TestOnlyOurOwnObjectsAreEverDeletedOrReleased(t *testing.T) {
	lives := []*Live{nil, ours(), ours(foreign), ours(deleting), ours(otherBinding), ours(foreign, deleting), ours(changed), ours(otherHash)}
	for _, live := range lives {
		for bits := range 8 {
			f := Facts{Binding: binding, Wanted: bits&1 != 0, Keep: bits&2 != 0, Overwrite: bits&4 != 0, Desired: manifest, Live: live}
			d := Decide(f)
			mine := live != nil && live.Ours && live.Binding == binding
			if (d.Action == Delete || d.Action == Release) && (f.Wanted || !mine) {
				t.Errorf("Decide(%+v, live %+v) = %v, want no deletion", f, live, d)
			}
			if d.Action == Update && !live.Ours && !f.Overwrite {
				t.Errorf("Decide(%+v, live %+v) = %v, want a foreign object left alone", f, live, d)
			}
		}
	}
}
