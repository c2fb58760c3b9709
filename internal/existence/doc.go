// Package existence answers: does the host itself have a template? A cache that does not show it may be behind; whoever takes something
// away because a template is gone asks here first.
//
// It reads one object's metadata at a time, of the template or of what wraps it. It writes nothing and remembers nothing.
package existence
