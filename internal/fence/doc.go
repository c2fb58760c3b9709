// Package fence answers: may this process change anything now?
//
// Only the manager that holds the lease may. What it reads: each successful renewal of the lease, which the lock that the
// elections run on tells it of (Lock). What it owns: the transports of all clients of the host and of members (Wrap). A
// request that changes something is refused unless the lease was renewed lately enough, and one that is under way is
// cut off when that ends; others pass. It writes nothing.
//
//	renewal sent ──────────── RenewDeadline ───▶ nothing leaves, nothing is waited for any more
//	             ──────────── LeaseDuration ──────────────────▶ somebody else may take the lease
//
// The time between the two is for requests that were cut off and are still on their way, and for clocks that do not run
// equally fast.
package fence
