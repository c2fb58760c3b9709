// Package scheduling answers: is each binding where its placement wants it?
//
// It reads bindings and Clusters from the cache and what members show of their room, and asks package schedule. Decisions are
// made one at a time, which takes microseconds, and written many at a time. It is the only writer of a binding's
// spec.clusters and of the annotation flotilla.dev/decision (together in one merge patch, with the resource version as
// precondition), and of status.lastScheduledTime, pendingReplicas, schedulerObserved* and the condition Scheduled (field
// owner flotilla-scheduling). It writes nothing when nothing changes. A binding of another scheduler, one that is being
// deleted, and one without a placement are left alone.
//
//   - snapshot.go gathers what a decision depends on; controller.go decides and carries out.
//   - ledger.go books the room that decisions take, until members show it; shown.go is what they report.
//   - handlers.go says which events are looked at, turns.go in which order, waiting.go and freed.go whom room helps.
package scheduling
