package applyplan

import "k8s.io/apimachinery/pkg/types"

// FieldManager is the name under which Flotilla applies objects in members.
const FieldManager = "flotilla"

// Live is what is known of the member's object.
type Live struct {
	// UID of the object; a precondition of its deletion.
	UID types.UID
	// ResourceVersion of the object.
	ResourceVersion string
	// Ours is true when the object carries this host's marks.
	Ours bool
	// OtherHost is true when the object carries the marks of another host.
	OtherHost bool
	// Host is the UID of the host whose marks the object carries; empty when it carries none.
	Host string
	// Written is the object's mark that says when it was written, as package history reads it.
	Written string
	// Binding is the binding that the object's marks name: "namespace/name".
	Binding string
	// Hash is the hash of the manifest that was applied last.
	Hash string
	// Owned is what Owned made of the object: the values that Flotilla owns.
	Owned string
	// Deleting is true when the object is being deleted.
	Deleting bool
}

// Accepted is what the member made of the last manifest that was applied to it in this process's life.
type Accepted struct {
	// UID of the object that the manifest was applied to.
	UID types.UID
	// Hash of the manifest.
	Hash string
	// Owned is what Owned made of the member's answer.
	Owned string
}

// Desired is the manifest that the binding wants.
type Desired struct {
	// Manifest is the content to apply.
	Manifest map[string]any
	// Hash of the manifest.
	Hash string
	// Left are the fields, as JSON pointers, that are given at creation and left to the member from then on. Manifest and
	// Hash are without them.
	Left []string
	// Initial is Manifest with the fields in Left; it counts only when there are any.
	Initial map[string]any
}

// TakeOver says when a foreign object is taken over.
type TakeOver int

const (
	// TakeOverNever leaves foreign objects alone.
	TakeOverNever TakeOver = iota
	// TakeOverIfSame takes a foreign object over that has already every value of the manifest.
	TakeOverIfSame
	// TakeOverAlways takes foreign objects over.
	TakeOverAlways
)

// Rules are what the user asks for beyond the manifest.
type Rules struct {
	// TakeOver says when a foreign object is taken over. One that another host manages never is.
	TakeOver TakeOver
	// CreateOnly leaves an object to the member once it exists.
	CreateOnly bool
	// ReportDrift leaves a value that was changed in the member as it is.
	ReportDrift bool
	// Suspended leaves everything in the member as it is.
	Suspended bool
	// AdoptFrom is the UID of another host whose objects are taken over; empty for none.
	AdoptFrom string
}

// Facts is everything that a decision about one object of one member depends on.
type Facts struct {
	// Binding is the binding that asks: "namespace/name".
	Binding string
	// Wanted is true when the binding wants the object in this member.
	Wanted bool
	// Keep is true when an object that is no longer wanted stays, without marks.
	Keep bool
	// Rules are what the user asks for beyond the manifest.
	Rules Rules
	// Same is true when a foreign object was compared and has every value of the manifest. It counts with TakeOverIfSame.
	Same bool
	// Desired is the manifest; it counts only when the object is wanted.
	Desired Desired
	// Live is the member's object; nil when a read from the member itself found none.
	Live *Live
	// Accepted is what the member made of the last manifest; nil when this process applied none.
	Accepted *Accepted
	// Forgotten is true when this host has forgotten that it wrote the object, so that the object may be newer than what the
	// host knows, and nobody has said since what is right.
	Forgotten bool
}

// Action is what has to happen.
type Action string

// The actions.
const (
	// Nothing: the member holds what it should.
	Nothing Action = "Nothing"
	// Create applies the manifest without force: should a foreign object appear meanwhile, the member
	// refuses instead of handing it over.
	Create Action = "Create"
	// Update applies the manifest with force: the object is ours.
	Update Action = "Update"
	// Mark gives the object this host's marks and leaves the rest of it as it is.
	Mark Action = "Mark"
	// Delete deletes the object, if it still has the same UID.
	Delete Action = "Delete"
	// Release takes our marks off the object and leaves it to the member.
	Release Action = "Release"
	// Refuse leaves a foreign object alone and reports it.
	Refuse Action = "Refuse"
	// Wait leaves the object to a deletion that is under way.
	Wait Action = "Wait"
	// Gone: nothing is wanted and nothing of ours is there.
	Gone Action = "Gone"
	// Hold leaves the object as it is, although it should be created or updated.
	Hold Action = "Hold"
)

// Reason is why.
type Reason string

// The reasons.
const (
	// InSync: the manifest in place is the current one and nobody changed it.
	InSync Reason = "InSync"
	// Absent: the member does not hold the object.
	Absent Reason = "Absent"
	// ManifestChanged: the manifest in place is another one.
	ManifestChanged Reason = "ManifestChanged"
	// Drifted: a value that we own was changed in the member.
	Drifted Reason = "Drifted"
	// Foreign: the object does not carry this host's marks.
	Foreign Reason = "Foreign"
	// TakenOver: the object is foreign and the policy says Overwrite.
	TakenOver Reason = "TakenOver"
	// Unwanted: the binding is being deleted or does not name this member.
	Unwanted Reason = "Unwanted"
	// OtherBinding: the object's marks name another binding.
	OtherBinding Reason = "OtherBinding"
	// BeingDeleted: the object is being deleted.
	BeingDeleted Reason = "BeingDeleted"
	// OtherHost: the object carries the marks of another host.
	OtherHost Reason = "OtherHost"
	// NotSame: the object is foreign, and differs from the manifest.
	NotSame Reason = "NotSame"
	// LeftToMember: the object exists, and the policy leaves it to the member from then on.
	LeftToMember Reason = "LeftToMember"
	// DriftReported: a value that we own was changed in the member, and the policy only wants it told.
	DriftReported Reason = "DriftReported"
	// Suspended: the user asked for no changes.
	Suspended Reason = "Suspended"
	// Unremembered: the host has forgotten that it wrote the object, and wants another one now, or none.
	Unremembered Reason = "Unremembered"
	// Recalled: the host had forgotten that it wrote the object, and wants what it finds. Marking it anew ends the doubt.
	Recalled Reason = "Recalled"
	// Adopted: the object carries the marks of another host, whose objects this host is told to take over.
	Adopted Reason = "Adopted"
)

// Decision is what has to happen, and why.
type Decision struct {
	Action Action
	Reason Reason
}

// NeedsComparison says whether Same counts for the decision: whoever gathers facts compares a foreign object only then.
func (f Facts) NeedsComparison() bool {
	return f.Wanted && f.Rules.TakeOver == TakeOverIfSame && f.Live != nil && !f.Live.Ours && !f.Live.OtherHost && !f.Live.Deleting
}

// NeedsAnswer says whether a drift is told by the manifest alone, so that it may as well be the member that rewrites what it
// is given: whoever gathers facts asks the member then, and sets Accepted.
func (f Facts) NeedsAnswer() bool { return Decide(f).Reason == DriftReported && !f.answered() }

// answered says whether Accepted is the member's answer to this manifest.
func (f Facts) answered() bool {
	a := f.Accepted
	return a != nil && a.UID == f.Live.UID && a.Hash == f.Desired.Hash
}

// Decide says what has to happen to the object. Its answer is Delete only for an object of ours that names
// this binding; whether the binding really does not want it is for the caller to prove first.
func Decide(f Facts) Decision {
	if !f.Wanted {
		return decideUnwanted(f)
	}
	d := decideWanted(f)
	if f.Rules.Suspended && (d.Action == Create || d.Action == Update || d.Action == Mark) {
		d = Decision{Hold, Suspended}
	}
	if (d.Action == Nothing || d.Action == Hold) && f.recallable() {
		return Decision{Mark, Recalled}
	}
	return d
}

// recallable says whether the host has forgotten that it wrote an object, and wants it of the very manifest that it is of. Then there is
// nothing to be in doubt about, also where nothing is applied.
func (f Facts) recallable() bool {
	live := f.Live
	return f.Forgotten && live != nil && live.Ours && !live.Deleting && live.Binding == f.Binding && live.Hash == f.Desired.Hash
}

func decideWanted(f Facts) Decision {
	switch live := f.Live; {
	case live == nil:
		return Decision{Create, Absent}
	case live.Deleting:
		return Decision{Wait, BeingDeleted}
	case !live.Ours:
		return decideForeign(f)
	case f.Rules.CreateOnly && live.Binding == f.Binding: // not a namespace that merely was needed
		return Decision{Nothing, LeftToMember}
	case live.Hash != f.Desired.Hash:
		return decideChanged(f)
	case drifted(f) && f.Rules.ReportDrift:
		return Decision{Nothing, DriftReported}
	case drifted(f):
		return Decision{Update, Drifted}
	case f.Forgotten:
		return Decision{Update, Recalled}
	}
	return Decision{Nothing, InSync}
}

// decideChanged applies another manifest, but never an older one over a newer one that was forgotten.
func decideChanged(f Facts) Decision {
	if f.Forgotten {
		return Decision{Hold, Unremembered}
	}
	return Decision{Update, ManifestChanged}
}

func decideForeign(f Facts) Decision {
	adopted := f.Live.OtherHost && f.Rules.AdoptFrom != "" && f.Live.Host == f.Rules.AdoptFrom
	switch {
	case adopted && f.Rules.CreateOnly && f.Live.Binding == f.Binding:
		return Decision{Mark, Adopted} // what was the member's to change stays as the member has it
	case adopted:
		return Decision{Update, Adopted}
	case f.Live.OtherHost:
		return Decision{Refuse, OtherHost}
	case f.Rules.TakeOver == TakeOverAlways, f.Rules.TakeOver == TakeOverIfSame && f.Same:
		return Decision{Update, TakenOver}
	case f.Rules.TakeOver == TakeOverIfSame:
		return Decision{Refuse, NotSame}
	}
	return Decision{Refuse, Foreign}
}

func decideUnwanted(f Facts) Decision {
	switch live := f.Live; {
	case live == nil:
		return Decision{Gone, Absent}
	case !live.Ours:
		return Decision{Gone, Foreign}
	case live.Binding != f.Binding:
		return Decision{Gone, OtherBinding}
	case f.Forgotten:
		return Decision{Hold, Unremembered}
	case f.Keep:
		return Decision{Release, Unwanted}
	case live.Deleting:
		return Decision{Wait, BeingDeleted}
	}
	return Decision{Delete, Unwanted}
}

// drifted compares with what the member made of the manifest when it was applied, so that a member that
// changes what it is given (defaults, webhooks) is not taken for drift again and again. Only when this
// process has not applied the manifest itself, the manifest is the measure.
func drifted(f Facts) bool {
	if f.answered() {
		return f.Desired.measured(f.Accepted.Owned) != f.Desired.measured(f.Live.Owned)
	}
	return !Holds(f.Desired.Manifest, f.Desired.measured(f.Live.Owned))
}
