// Package firstlook answers: has everything that concerns a member been looked at once?
//
// What is said of a member as a whole, such as that nothing is left over in it, is true only then. It reads and writes nothing: whoever
// takes bindings from a queue tells it, and asks it.
package firstlook
