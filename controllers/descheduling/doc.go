// Package descheduling answers: which replicas wait for room in a member for so long that they should go elsewhere?
//
// Every interval it asks each member that is Ready for the pods that have been unschedulable longer than the threshold,
// and walks from each pod along its controllers to the object that this host put there, and so to the binding. It
// then says in the binding's spec.replicaLimits how many replicas the member holds at most: what is not stuck, and
// never less than what is ready. The scheduler moves the others, as far as other members have room, and gives that member
// no more.
//
// A limit is lifted after the cool-down, if nothing is stuck any more; at once when the binding is no longer divided by
// room, the Cluster is gone, or somebody asked to place the template anew after it was set. It counts from the time that
// stands in it, so that a manager that takes over lifts it in time.
//
// Field owner: flotilla-descheduling, of spec.replicaLimits. It never writes where a template goes.
package descheduling
