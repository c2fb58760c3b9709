// Package taught answers: what does a ResourceInterpreter say about an object?
//
// A Meaning is a compiled ResourceInterpreter, a Table has all of them. What does not compile is part of the Meaning too,
// and fails whenever it is asked: an answer from elsewhere would change what runs because of a slip of the pen. The
// package looks at values only: it reads nothing, writes nothing, and owns the record of each Meaning's last failure.
package taught
