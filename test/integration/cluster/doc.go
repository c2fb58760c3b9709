// Package cluster tests, on a real host and real members, how clusters join, are known, and leave: the kubectl
// plugin and the cluster controller together, the latter with the rights that config/ installs.
package cluster
