// Package ownwrites answers: has the cache seen what this controller wrote last?
//
// A reconciler that reads from a cache which has not caught up with its own write would decide upon what is no more. The memory saves
// a request to the host, and is never more than that: it ends after a few seconds and with the process, and knows nothing of what
// others write. Where what is written is made from what was read, as a list with one entry changed, the write has to carry the
// resource version that was read; then the host refuses what was made upon an old one, and this package waits until the cache shows
// another.
package ownwrites
