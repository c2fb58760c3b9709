// Package pointer answers: what does a JSON pointer (RFC 6901) lead to in a value that was decoded from JSON?
//
// It is pure. A pointer that leads nowhere is never an error of this package: it says so, and callers know what that means.
package pointer
