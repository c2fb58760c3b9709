// Package builder makes objects for tests: each maker gives a valid object, each With... changes one thing
// about it, in the words of the domain.
package builder
