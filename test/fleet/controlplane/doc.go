// Package controlplane answers: which programs, with which arguments, certificates and files, make one Kubernetes
// cluster on loopback? It writes the files of a cluster into the folder it is given and returns the programs to start,
// in order. It starts nothing and knows no other cluster.
//
// A cluster is a list of etcd members, a list of API servers and as many controller managers: one of each, or three in
// one of the two topologies that Kubernetes calls highly available, with HAProxy in front of the API servers. A member of a
// fleet also has a scheduler and kwok, which plays the kubelets; a host has no nodes.
package controlplane
