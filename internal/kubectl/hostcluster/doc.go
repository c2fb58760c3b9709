// Package hostcluster answers: how does a command of the kubectl plugin reach the host cluster?
//
// As kubectl does: with the user's kubeconfig, context and namespace, and kubectl's flags for them. It reads kubeconfigs,
// lists Clusters and the manager's events about them, and writes nothing.
package hostcluster
