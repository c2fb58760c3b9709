// Package olm answers: does the Operator Lifecycle Manager install Flotilla from its bundle, upgrade it, take it over from kustomize, and
// remove it?
// OLM's own operators, built from the module test/olm, run as local processes against a cluster of the fleet that has nodes, so
// that the Deployment of the bundle becomes available. Its pods are played; the manager that works runs beside them, with
// the ServiceAccount, rules, arguments and configuration that OLM put into the cluster.
//
// The catalog is served by test/olm/registry, which uses operator-registry's own store and server: the bundle's objects are
// part of it, because unpacking an image would need a container engine.
package olm
