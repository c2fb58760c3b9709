// Package specchange answers: does an update show another spec than before?
//
// A generation counts the edits of one object. A watch that was interrupted shows an object that was deleted and created
// again as one update, and both may have generation 1. So the generations are compared of one object only, and another UID is
// another spec. It reads the two versions of an event, and writes and owns nothing.
package specchange
