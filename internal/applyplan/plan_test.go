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
func otherHost(l *Live)    { l.OtherHost = true }
func deleting(l *Live)     { l.Deleting = true }
func otherHash(l *Live)    { l.Hash = "h0" }
func otherBinding(l *Live) { l.Binding = "shop/api" }
func changed(l *Live)      { l.Owned = `{"f:data":{"f:a":"2"}}` }
func taken(l *Live)        { l.Owned = `{}` }

var manifest = Desired{Manifest: map[string]any{"data": map[string]any{"a": "1"}}, Hash: "h1"}

func TestAnObjectThatIsWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		live     *Live
		rules    Rules
		accepted *Accepted
		want     Decision
	}{
		"is created where there is none":               {nil, Rules{}, nil, Decision{Create, Absent}},
		"is left alone when it is as applied":          {ours(), Rules{}, nil, Decision{Nothing, InSync}},
		"is updated when the manifest is another one":  {ours(otherHash), Rules{}, nil, Decision{Update, ManifestChanged}},
		"is put back when a value was changed":         {ours(changed), Rules{}, nil, Decision{Update, Drifted}},
		"is put back when a field was taken":           {ours(taken), Rules{}, nil, Decision{Update, Drifted}},
		"waits for the end of a deletion":              {ours(deleting), Rules{}, nil, Decision{Wait, BeingDeleted}},
		"is refused when a foreign one is there":       {ours(foreign), Rules{}, nil, Decision{Refuse, Foreign}},
		"takes a foreign one over when told to":        {ours(foreign), Rules{TakeOver: TakeOverAlways}, nil, Decision{Update, TakenOver}},
		"is refused also while the foreign one leaves": {ours(foreign, deleting), Rules{}, nil, Decision{Wait, BeingDeleted}},
		"is refused when another host manages it, whatever the rules": {
			ours(foreign, otherHost), Rules{TakeOver: TakeOverAlways}, nil, Decision{Refuse, OtherHost},
		},
		"is refused when a foreign one differs": {ours(foreign), Rules{TakeOver: TakeOverIfSame}, nil, Decision{Refuse, NotSame}},
		"is left to the member once it exists":  {ours(otherHash, changed), Rules{CreateOnly: true}, nil, Decision{Nothing, LeftToMember}},
		"is updated although it is left later, when it was there because it was needed": {
			ours(func(l *Live) { l.Binding, l.Hash = "", "" }), Rules{CreateOnly: true}, nil, Decision{Update, ManifestChanged},
		},
		"is created where it is left later": {nil, Rules{CreateOnly: true}, nil, Decision{Create, Absent}},
		"keeps a changed value when drift is only told": {
			ours(changed), Rules{ReportDrift: true}, nil, Decision{Nothing, DriftReported},
		},
		"is updated also when drift is only told": {ours(otherHash), Rules{ReportDrift: true}, nil, Decision{Update, ManifestChanged}},
		"is not created while suspended":          {nil, Rules{Suspended: true}, nil, Decision{Hold, Suspended}},
		"is not updated while suspended":          {ours(otherHash), Rules{Suspended: true}, nil, Decision{Hold, Suspended}},
		"is not put back while suspended":         {ours(changed), Rules{Suspended: true}, nil, Decision{Hold, Suspended}},
		"is in sync also while suspended":         {ours(), Rules{Suspended: true}, nil, Decision{Nothing, InSync}},
		"is refused also while suspended":         {ours(foreign), Rules{Suspended: true}, nil, Decision{Refuse, Foreign}},
		"is no drift where the member itself changed what it was given": {
			ours(changed), Rules{}, &Accepted{UID: "u1", Hash: "h1", Owned: `{"f:data":{"f:a":"2"}}`}, Decision{Nothing, InSync},
		},
		"is drift where somebody changed what the member made of it": {
			ours(), Rules{}, &Accepted{UID: "u1", Hash: "h1", Owned: `{"f:data":{"f:a":"2"}}`}, Decision{Update, Drifted},
		},
		"is not measured by the answer for an older manifest": {
			ours(), Rules{}, &Accepted{UID: "u1", Hash: "h0", Owned: `{}`}, Decision{Nothing, InSync},
		},
		"is not measured by the answer for an older namesake": {
			ours(), Rules{}, &Accepted{UID: "u0", Hash: "h1", Owned: `{}`}, Decision{Nothing, InSync},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(Facts{Binding: binding, Wanted: true, Rules: tc.rules, Desired: manifest, Live: tc.live, Accepted: tc.accepted})
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
			got := Decide(Facts{Binding: binding, Keep: tc.keep, Rules: Rules{TakeOver: TakeOverAlways}, Desired: manifest, Live: tc.live})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Decide() differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOnlyOurOwnObjectsAreEverDeletedOrReleased goes through every combination of facts.
func TestOnlyOurOwnObjectsAreEverDeletedOrReleased(t *testing.T) {
	lives := []*Live{nil, ours(), ours(foreign), ours(deleting), ours(otherBinding), ours(foreign, deleting), ours(changed), ours(otherHash), ours(foreign, otherHost)}
	for _, live := range lives {
		for bits := range 64 {
			rules := Rules{TakeOver: TakeOver(bits >> 2 % 3), CreateOnly: bits&16 != 0, ReportDrift: bits&32 != 0}
			f := Facts{Binding: binding, Wanted: bits&1 != 0, Keep: bits&2 != 0, Rules: rules, Desired: manifest, Live: live}
			d := Decide(f)
			mine := live != nil && live.Ours && live.Binding == binding
			if (d.Action == Delete || d.Action == Release) && (f.Wanted || !mine) {
				t.Errorf("Decide(%+v, live %+v) = %v, want no deletion", f, live, d)
			}
			if d.Action == Update && !live.Ours && (rules.TakeOver != TakeOverAlways || live.OtherHost) {
				t.Errorf("Decide(%+v, live %+v) = %v, want a foreign object left alone", f, live, d)
			}
		}
	}
}

func TestTheMemberIsAskedBeforeDriftIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		live     *Live
		rules    Rules
		accepted *Accepted
		want     bool
	}{
		"a difference that nothing explains":     {ours(changed), Rules{ReportDrift: true}, nil, true},
		"an answer to another manifest":          {ours(changed), Rules{ReportDrift: true}, &Accepted{UID: "u1", Hash: "h0"}, true},
		"not when the member has answered":       {ours(changed), Rules{ReportDrift: true}, &Accepted{UID: "u1", Hash: "h1"}, false},
		"not when all is as the manifest says":   {ours(), Rules{ReportDrift: true}, nil, false},
		"not when drift is put back":             {ours(changed), Rules{}, nil, false},
		"not when the manifest is to be applied": {ours(otherHash, changed), Rules{ReportDrift: true}, nil, false},
		"not when there is no object":            {nil, Rules{ReportDrift: true}, nil, false},
		"not when the object is somebody else's": {ours(foreign, changed), Rules{ReportDrift: true}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := Facts{Binding: binding, Wanted: true, Rules: tc.rules, Desired: manifest, Live: tc.live, Accepted: tc.accepted}
			if got := f.NeedsAnswer(); got != tc.want {
				t.Errorf("NeedsAnswer() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestWhatTheMemberMakesItselfIsNoDifference(t *testing.T) {
	rewritten := Difference{Path: "/spec/image", Wanted: "web:1", Found: "mirror/web:1"}
	changed := Difference{Path: "/spec/replicas", Wanted: int64(1), Found: int64(2)}
	for name, tc := range map[string]struct {
		live, made, want []Difference
	}{
		"none":                                  {nil, []Difference{rewritten}, nil},
		"the member's own":                      {[]Difference{rewritten}, []Difference{rewritten}, nil},
		"somebody's beside it":                  {[]Difference{rewritten, changed}, []Difference{rewritten}, []Difference{changed}},
		"somebody's in the place of the member": {[]Difference{{Path: "/spec/image", Wanted: "web:1", Found: "web:9"}}, []Difference{rewritten}, []Difference{{Path: "/spec/image", Wanted: "web:1", Found: "web:9"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Beyond(tc.live, tc.made)); diff != "" {
				t.Errorf("Beyond() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnObjectThatTheHostHasForgotten(t *testing.T) {
	for name, tc := range map[string]struct {
		live   *Live
		wanted bool
		rules  Rules
		keep   bool
		want   Decision
	}{
		"is not replaced by what may be older":          {ours(otherHash), true, Rules{}, false, Decision{Hold, Unremembered}},
		"is marked anew when it is what is wanted":      {ours(), true, Rules{}, false, Decision{Update, Recalled}},
		"is put back when somebody changed it since":    {ours(changed), true, Rules{}, false, Decision{Update, Drifted}},
		"is marked anew when drift is only told":        {ours(changed), true, Rules{ReportDrift: true}, false, Decision{Mark, Recalled}},
		"is marked anew when it is the member's":        {ours(changed), true, Rules{CreateOnly: true}, false, Decision{Mark, Recalled}},
		"is marked anew while suspended":                {ours(), true, Rules{Suspended: true}, false, Decision{Mark, Recalled}},
		"is marked and not put back while suspended":    {ours(changed), true, Rules{Suspended: true}, false, Decision{Mark, Recalled}},
		"is not replaced while suspended":               {ours(otherHash), true, Rules{Suspended: true}, false, Decision{Hold, Unremembered}},
		"is not marked while it is being deleted":       {ours(deleting), true, Rules{CreateOnly: true}, false, Decision{Wait, BeingDeleted}},
		"is created where it is gone":                   {nil, true, Rules{}, false, Decision{Create, Absent}},
		"is left to the member where the rule says so":  {ours(otherHash), true, Rules{CreateOnly: true}, false, Decision{Nothing, LeftToMember}},
		"is foreign when its marks are gone":            {ours(foreign), true, Rules{}, false, Decision{Refuse, Foreign}},
		"is not deleted":                                {ours(), false, Rules{}, false, Decision{Hold, Unremembered}},
		"is not released either":                        {ours(), false, Rules{}, true, Decision{Hold, Unremembered}},
		"is no concern of a binding that did not write": {ours(otherBinding), false, Rules{}, false, Decision{Gone, OtherBinding}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(Facts{Binding: binding, Wanted: tc.wanted, Rules: tc.rules, Keep: tc.keep, Desired: manifest, Live: tc.live, Forgotten: true})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Decide() differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatTheHostWantsIsForgottenNoLonger goes through every combination of facts: an object of the manifest that is wanted gets a new mark,
// with the manifest or alone, and no other one does; nothing is deleted, released or replaced by another manifest.
func TestWhatTheHostWantsIsForgottenNoLonger(t *testing.T) {
	lives := map[string]*Live{
		"none": nil, "same": ours(), "drifted": ours(changed), "another": ours(otherHash), "another, drifted": ours(otherHash, changed),
		"going": ours(deleting), "foreign": ours(foreign), "another host's": ours(foreign, otherHost), "another binding's": ours(otherBinding, otherHash),
	}
	for name, live := range lives {
		for bits := range 64 {
			rules := Rules{CreateOnly: bits&2 != 0, ReportDrift: bits&4 != 0, Suspended: bits&8 != 0}
			f := Facts{Binding: binding, Wanted: bits&1 != 0, Keep: bits&16 != 0, Rules: rules, Desired: manifest, Live: live, Forgotten: true}
			if bits&32 != 0 && live != nil {
				f.Accepted = &Accepted{UID: live.UID, Hash: live.Hash, Owned: live.Owned} // what the member made of it is no drift
			}
			d := Decide(f)
			wanted := f.Wanted && (name == "same" || name == "drifted")
			if marked := live != nil && live.Ours && (d.Action == Mark || d.Action == Update); marked != wanted {
				t.Errorf("%s: Decide(%+v) = %v, want it marked: %t", name, f, d, wanted)
			}
			if d.Action == Delete || d.Action == Release || d.Action == Update && (d.Reason == ManifestChanged || rules.CreateOnly || rules.Suspended) {
				t.Errorf("%s: Decide(%+v) = %v, which changes more than marks", name, f, d)
			}
			if d.Action == Update && d.Reason == Drifted && rules.ReportDrift {
				t.Errorf("%s: Decide(%+v) = %v, want drift left", name, f, d)
			}
		}
	}
}

func TestObjectsOfAnotherHostAreAdoptedFromThatHostOnly(t *testing.T) {
	once := Rules{CreateOnly: true, AdoptFrom: "host-b"}
	for name, tc := range map[string]struct {
		rules    Rules
		unwanted bool
		change   func(*Live)
		want     Decision
	}{
		"not without being told":                        {want: Decision{Refuse, OtherHost}},
		"not those of a third one":                      {rules: Rules{AdoptFrom: "host-c"}, want: Decision{Refuse, OtherHost}},
		"those of the one named":                        {rules: Rules{AdoptFrom: "host-b"}, want: Decision{Update, Adopted}},
		"only what is wanted":                           {rules: Rules{AdoptFrom: "host-b"}, unwanted: true, want: Decision{Gone, Foreign}},
		"not while nothing is sent":                     {rules: Rules{AdoptFrom: "host-b", Suspended: true}, want: Decision{Hold, Suspended}},
		"as they are, where they are the member's":      {rules: once, want: Decision{Mark, Adopted}},
		"these neither, while nothing is sent":          {rules: Rules{AdoptFrom: "host-b", CreateOnly: true, Suspended: true}, want: Decision{Hold, Suspended}},
		"what merely was needed is made what is wanted": {rules: once, change: func(l *Live) { l.Binding = "" }, want: Decision{Update, Adopted}},
	} {
		t.Run(name, func(t *testing.T) {
			live := ours(otherHost, func(l *Live) { l.Ours, l.Host = false, "host-b" })
			if tc.change != nil {
				tc.change(live)
			}
			got := Decide(Facts{Binding: binding, Wanted: !tc.unwanted, Rules: tc.rules, Desired: manifest, Live: live})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Decide() differs (-want +got):\n%s", diff)
			}
		})
	}
}
