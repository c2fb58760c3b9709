// Package ownwrites answers: has the cache seen what this controller wrote last?
//
// A reconciler that reads from a cache which has not caught up with its own write would write the same again.
// That is never wrong, because decisions are idempotent, but it costs a request to the host. The memory is
// only that: losing it costs one such request.
package ownwrites
