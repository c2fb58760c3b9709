// Package journal answers: up to when does the host remember what was written, and does it still go forward?
//
// It reads and writes the managers' lease, between the elections and the host: Leases is the client that the lock works with. A
// manager that takes the lease over finds in it when it was renewed last; the gap until its own first renewal is written
// into the annotation flotilla.dev/gaps of the lease in the same request that takes it, so that no manager ever acts without
// it. Package history says what gaps mean. It owns that annotation; who removes it says that what the host holds is right.
//
// It owns the renewal's time as well, instead of the elections, which never compare it with a clock: it goes forward from holder to holder,
// and is not earlier than what API servers tell with their answers (Wrap). And it keeps a vigil over the lease while another manager
// holds it; Dial tells it of new connections.
//
// A manager that outlives a restoration of the host's etcd notices at its next look at the lease: it has gone back. What its
// caches hold may then never have happened, so it ends, and gives no lease back.
package journal
