// Package wrapping answers: is what a ResourceTemplate or ClusterResourceTemplate wraps what members get, and if not why?
//
// It reads the wrappers and the native objects of the kinds that are watched, from the cache of templates. It owns, and is the only
// writer of, the wrappers' status.conditions and status.observedGeneration; aggregation writes status.manifest. That a wrapped object is
// propagated at all is no business of this package: the cache of templates shows it to the other controllers as if it were a native one.
package wrapping
