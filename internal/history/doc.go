// Package history answers: does this host remember having written what a member holds?
//
// A host whose etcd is restored from a backup goes on from where it was when the backup was made. What it wrote to members
// since is not in its records, and what it knows about them is out of date: an object whose binding it does not have may have
// been propagated after the backup. Nothing there may be deleted, or replaced by an older version, for what the host does not know.
//
// Every object in a member carries a Stamp that says when it was written, as the time of the lease renewal that the write relied
// on. A manager that takes the lease over finds in it when it was renewed last, as far as the host knows, and so knows the Gap
// between that and its own first renewal. Nobody writes in a gap. An object from within one is proof that the host has lost a
// part of its history; it is the object itself that says so, whatever became of etcd's revisions.
//
// Managers' clocks differ, so none of this rests on them. Renewals go forward from holder to holder (Next), and each gap names the Era that
// begins with it, which stamps carry: whoever writes with that name wrote after the gap, and whoever writes without it wrote before, or was
// forgotten. A manager that has seen the lease all along (Vigil) knows that nothing was restored, and adds no gap.
//
// Pure: values in, values out.
package history
