// Package scheduling proves on real clusters, whose nodes are of different sizes, that every field of a placement does
// what docs/scheduling.md says, and that decisions follow when clusters change.
package scheduling
