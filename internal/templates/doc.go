// Package templates answers: what is the template of this kind and name on the host? It is a native object, or one that is wrapped in
// a ResourceTemplate or ClusterResourceTemplate; those who ask cannot tell the difference and need not.
//
// It reads the host, through watches of the kinds that it is told to watch and of the two wrappers. It writes nothing.
//
// A wrapped object comes before a native one of the same kind, namespace and name: the native one may be there for the host's own
// sake, as the host's own ClusterRoles are. Of two wrappers of one object the older counts.
package templates
