// Package hostindex answers: which bindings belong to this cluster, kind, policy or affinity group? And which override policies
// can be for a namespace? It names the indexes
// of the manager's cache and lists over both twins at once.
package hostindex
