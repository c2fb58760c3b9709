// Package proof answers: what does the host itself say, now that something is to be taken away for good? A cache that does not show an
// object, or shows an old one, may be behind; whoever deletes because of that asks here first.
//
// It reads one object at a time from the host's API server: the metadata of a template or of what wraps it, a binding, a policy, or a
// Cluster, which it looks for in the cache first. It writes nothing and remembers nothing.
package proof
