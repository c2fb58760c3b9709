// Package tainting is the part of the kubectl plugin that keeps work away from clusters, or moves it away: taint, cordon,
// uncordon and drain.
//
// It reads Clusters and bindings, and writes spec.taints of Clusters, in one patch with the resource version as a precondition, so
// that the taints of others are never lost. What follows from a taint is the manager's doing; drain only watches it.
package tainting
