// Package interpreter answers: what does a kind mean? How many replicas an object asks for and what one of
// them needs, how to give it another number, whether a member's object does what it should, what of a
// member's status is worth keeping, and what the members' statuses add up to.
//
// It looks at values only: it reads nothing, writes nothing and owns nothing. Each operation has a file of
// its own and knows Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob, Pod and Service; every
// other kind is judged by the conventions that kstatus knows and reflected as it is.
package interpreter
