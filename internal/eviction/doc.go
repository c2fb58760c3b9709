// Package eviction answers: which bindings are to leave which clusters now, and which of them need not any more?
//
// A cluster is left for one of three causes: it has a taint with the effect NoExecute that the placement does not
// tolerate, or not for so long; somebody drains it, which is such a taint too; or the application has been unhealthy in
// it for longer than its policy tolerates. The answer is a list of graceful eviction tasks for each binding. A task is a
// request to the scheduler and no more: nothing here looks for a replacement, and nothing is removed because of it.
//
// A Job that has ended stays where it is.
//
//	cause is due ─▶ task ─▶ the scheduler leaves the cluster ─▶ the cluster lets go ─▶ the task ends: done
//	                  └───▶ the cause goes before the cluster was left ───────────────▶ the task ends: withdrawn
//
// How many begin at a time is bounded for each group of clusters, as package stampede says. Nothing begins because of a
// cluster's health while the host itself may be cut off.
//
// It is pure: Clusters and bindings, as the host's API knows them, in; the tasks that they should have out. Every timer
// counts from a time that is in these objects, so that whoever asks next goes on where the last one stopped. What is in
// memory are Turns, which only slow down.
package eviction
