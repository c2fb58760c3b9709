// Package bundle answers: what does the Operator Lifecycle Manager need to know about Flotilla? It reads config/default,
// which it renders with kustomize, and beside it config/crd, config/samples and config/manifests, where the texts are
// that only people can write. It owns the folder bundle and the file bundle.Dockerfile, and writes nothing else.
//
// What config/default holds and a bundle cannot (its Namespace, the admission policies) is named in dropped, with the
// reason; anything else of a kind that is not known here is an error, so that nothing gets lost in silence.
package bundle
