// Package manifests answers: do the manifests of config/ fit together, as they are and when an overlay
// renames them?
//
// Its tests render config/ with kustomize as a library and look at the result; they need no cluster and
// write nothing.
package manifests
