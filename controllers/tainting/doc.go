// Package tainting answers: which taints does a cluster have because of its health, or because a ClusterTaintPolicy says so?
//
// It reads Clusters and ClusterTaintPolicies, and for a cluster that is back the bindings, and the reports on them, that tell whether it
// is clean. It asks the pure packages stampede and taintplan about the whole fleet at once, and writes the taints of its own in
// Clusters' spec.taints, their status.taintTimes and condition Tainted, and ClusterTaintPolicies' status (field owner
// objectpatch.TaintingOwner). Which taints are its own is what managedFields say, so that those of users, of whatever key, are
// never changed or lost, and so that those of a policy go with it.
package tainting
