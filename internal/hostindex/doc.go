// Package hostindex answers: which bindings belong to this cluster, kind or policy? It names the indexes
// of the manager's cache and lists over both twins at once.
package hostindex
