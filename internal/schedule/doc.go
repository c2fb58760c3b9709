// Package schedule answers: which clusters get a template, with how many replicas, and why these?
//
// Decide looks at a binding and at all clusters, and works in five steps, each in a file of its own:
//
//   - groups.go: which affinity group is tried, and in which tier of it a cluster is;
//   - filter.go: which clusters may hold the template;
//   - spread.go: which of these do, so that the spread constraints hold;
//   - assign.go: how many replicas each of them gets;
//   - settle.go: what becomes of clusters that should be left, and what is told.
//
// trigger.go says why an old placement was not simply kept. Every decision names its reason, for the clusters that were
// turned away too. Values in, values out: the same inputs in any order give the same decision, and a decision that was
// carried out leads to itself.
package schedule
