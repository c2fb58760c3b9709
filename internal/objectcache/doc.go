// Package objectcache answers: which objects of kinds chosen at run time exist in one cluster?
//
// It keeps one informer per kind. Kinds come and go while it runs; starting a watch never blocks and never
// fails, a kind that is not served (yet) or may not be read is retried in the background and its state
// says why. The manager uses one for the templates on the host, and one per member for what it applied.
package objectcache
