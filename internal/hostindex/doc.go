// Package hostindex answers: which bindings belong to this cluster, kind, policy or affinity group? It names the indexes
// of the manager's cache and lists over both twins at once.
package hostindex
