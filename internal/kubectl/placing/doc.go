// Package placing answers, on a user's machine: why is a template where it is, and where would it go?
//
// `kubectl flotilla explain` and `simulate` read the host, or files, and ask the rules that the manager asks: policymatch,
// interpreter, capacity and schedule. They write nothing.
package placing
