// Package scheduling answers: is each binding where its placement wants it?
//
// It reads bindings and Clusters from the cache and asks package schedule. It is the only writer of a binding's
// spec.clusters (one merge patch, with the resource version as precondition), and of status.lastScheduledTime,
// status.schedulerObservedGeneration and the condition Scheduled (field owner flotilla-scheduling). It writes
// nothing when nothing changes. A binding of another scheduler, one that is being deleted, and one without a
// placement are left alone.
//
// Bindings are looked at again when their spec changes, and when something about a Cluster changes that a
// decision can depend on; the latter with low priority, so that users do not wait behind it.
package scheduling
