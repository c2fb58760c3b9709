// Package v1alpha1 holds Flotilla's API: what users write (policies and clusters) and what Flotilla
// answers (bindings). All validation and defaulting is in these types' schema, as OpenAPI and CEL, so
// that the host's own API server enforces it and no webhook has to be running.
//
// Twins (a namespaced kind and its cluster-scoped sister) share their spec and status types; code that
// serves both takes the interfaces Policy and Binding of twins.go.
//
// +kubebuilder:object:generate=true
// +groupName=flotilla.dev
package v1alpha1
