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
//
// It also owns how the host is dialled (Dial). A leader may outlive a restoration of the host's etcd, and would act on what the restored host
// lists before it looks at the lease again. What is read through a connection that is new is therefore acted on only when it is proven that the
// host had not gone back: the lease was renewed since, which is due at once, or something was read since from a connection that is older
// than the last such proof. A request that changes something waits for that, for a fraction of a second at most while the host answers. No request
// is added to a deletion for it, and nothing rests on how fast a host can be restored. It rests on all API servers being stopped for
// that, as etcd and Kubernetes want it, and on a balancer that passes connections through.
//
// It owns the metric of how long was waited so, and tells of waits that are long.
package fence
