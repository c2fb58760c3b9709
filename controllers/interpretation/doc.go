// Package interpretation answers: what do users teach about kinds, and does it work?
//
// It is one controller. It reads every ResourceInterpreter, compiles those that are new or changed, and hands all of them
// to the interpreter at once, on standby managers too; before the manager starts it has done so once, so that nothing is
// decided without what users teach. The leader writes the ResourceInterpreters' status, which nobody else writes.
//
// Field owner: flotilla-interpretation.
package interpretation
