// Package admission answers: does the host enforce what Flotilla promises about template namespaces?
//
// It reads the admission policies of config/admission, which are part of the binary, and writes them to
// the host by server-side apply: when the manager becomes leader, and again from time to time, so that a
// policy that somebody changed or deleted comes back. It owns those policies and their bindings, and has no
// right to those of config/rbac/bounds, which say how far the manager's own rights go. Kinds
// that the host does not serve (MutatingAdmissionPolicy before Kubernetes 1.36) are left out; templates
// are as safe without them, only less convenient to write.
package admission
