// Package lookout answers: what has this process itself seen of the members, and when?
//
// The statuses of Clusters say what somebody saw once: a manager that begins to work finds there what the last one saw, an hour ago
// perhaps. Whoever judges the fleet asks here how much of that is still so. The controller of Clusters notes each look at a member,
// those of taints and evictions read. It is memory that is lost with the process, on purpose.
package lookout
