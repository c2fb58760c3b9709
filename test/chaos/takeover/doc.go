// Package takeover shows what happens between the end of one leader and the work of the next: how long it takes after each
// kind of end, that what users did meanwhile is served first, and that a leader that was suspended writes nothing when it goes
// on.
//
// The leases of its fleet are short, those of testdata/manager.yaml. With FLOTILLA_LEASE=default they are those that people
// get.
package takeover
