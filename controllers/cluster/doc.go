// Package cluster answers: is this member there, who is it, and what can it take?
//
// It reads Clusters, their credentials Secrets (live, never cached) and the members' API servers. It writes
// Clusters: the finalizer, spec.id while it is empty, and the whole status (field owner
// objectpatch.ClusterOwner; conditions Ready, APIsComplete and FieldsHonored). It owns execution namespaces
// (creates them with the Cluster, deletes them after it), renews the tokens that joining issued, opens and
// closes the connections that execution uses, and at the end takes Flotilla's rights out of the member.
//
// On a stand-by, which writes nothing, a second controller opens and closes the connections, so that the one that takes
// over knows what members hold.
//
// A member is looked at on connections of its own and within a time limit, by many workers, so that one
// that hangs delays no other. A steady fleet costs no writes: nothing that changes with every look is stored.
package cluster
