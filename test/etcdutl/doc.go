// Package etcdutl pins the program that restores etcd's snapshots, in the version of the etcd that test/kube pins. It is a module of
// its own, so that it changes neither what the product links nor the key of the Kubernetes programs.
package etcdutl
