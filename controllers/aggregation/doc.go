// Package aggregation answers: what became of a decision, and what does the user's template look like across
// the fleet?
//
// It reads what members report (report.Board), whether they are ready (Clusters), the bindings and, from the
// template cache, the templates. It writes, and is the only writer of, a binding's status.aggregatedStatus,
// status.summary and the conditions Applied and Healthy, and the status of templates in template namespaces;
// its field owner is objectpatch.AggregationOwner. It sends a warning to the template when it cannot be applied.
//
// Members say a lot while an application starts. What turns a condition is written soon, mere progress now and
// then (see pace.go); nothing is written when nothing changed, also after a restart.
package aggregation
