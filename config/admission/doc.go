// Package admission holds the admission policies that keep templates from running on the host, as the
// YAML files of this folder. They are installed from here by kustomize and, because not every way of
// installing Flotilla can carry them, by the manager (internal/admission). It owns no logic.
package admission
