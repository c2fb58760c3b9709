// Package execution makes members hold what bindings decided.
//
// It reads bindings, templates and what members hold. It writes objects in members by server-side apply,
// and on the host only the finalizer flotilla.dev/execution of bindings, which it removes when no member
// keeps an object because of the binding. What came of it is posted on the report.Board.
//
// Every connected member has a queue and workers of its own, so that a slow or dead member delays nobody
// else. A key in such a queue is a binding; what has to happen is decided anew each time from the
// binding, the template and the member's object (package applyplan), so it does not matter which event led
// here, or how often.
//
//	binding changed ──┐                       ┌─▶ queue of member1 ─▶ worker.Reconcile ─▶ member1
//	template changed ─┼─▶ fanOut: who is      ├─▶ queue of member2 ─▶ ...
//	member connected ─┘   concerned?          └─▶ ...
//	object changed in a member ──────────────────▶ that member's queue
//
// An object is deleted in a member only on evidence read at that moment: the binding, read from the host's
// API server and not from a cache, is gone, is being deleted, or does not name the member; and the member's Cluster, read in the same
// way, does not say Keep. A Cluster that is gone has ordered nothing: the object stays.
// What its policy preserves by then stays, too, and what goes along with others when one of these is preserved; a binding whose objects
// stay is let go of when what goes along with it has been told.
package execution
