// Package taintplan answers: which taints should Flotilla itself have put on each cluster by now, and why?
//
// It is pure. It sees all clusters at once, because whether one that is lost may be evicted depends on the others (package
// stampede). What it needs to remember is in the objects that it is given: when a condition turned and since when a taint is
// there, in the Clusters; on which of them a policy's conditions hold, in the ClusterTaintPolicies. What is in memory, such as what this process itself
// has seen of the members, only puts off what evicts. Taints of users are never part of a plan.
package taintplan
