// Package kubebin answers: where are the programs that a fleet runs, and are they built? It reads test/kube, the module
// that pins Kubernetes, etcd and kwok, and owns a folder below the user's cache: flotilla/kube/KEY holds one complete
// set of programs, where KEY depends on the pinned versions, the Go version and the build flags. Building takes minutes
// once and nothing afterwards; two builders side by side wait for each other, and an interrupted build leaves no half
// set behind. The programs of this repository itself are built here too, because a fleet runs them as processes.
package kubebin
