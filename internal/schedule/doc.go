// Package schedule answers: which clusters get a template, with how many replicas, and why these?
//
// Decide looks at a binding and at all clusters. A chain of checks filters the clusters, what passes is
// selected, and package division divides the replicas. Every decision names its reason, for the clusters that
// were turned away too. Values in, values out: the same inputs in any order give the same decision, and a
// decision that was carried out leads to itself.
package schedule
