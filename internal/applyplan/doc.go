// Package applyplan answers: what has to happen to a member's object, and why?
//
// It compares what a binding wants of one member with what the member holds. It is pure: execution gathers
// the facts, asks Decide, and acts. Owned and Holds are the facts' arithmetic: which values of an object
// belong to Flotilla, and do they still hold?
package applyplan
