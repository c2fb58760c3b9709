// Package handover answers: what does a cluster keep that a decision takes the template from?
//
// A decision (package schedule) says where a template should be. Plan says what is written of it now: a cluster that loses
// the template, or replicas of it, keeps what it has until as much as it gives away is ready elsewhere. It is then in
// spec.retained, and nothing is changed there. Only the user's own wishes make it otherwise: fewer replicas, the purge mode
// Directly, a task's suppressDeletion, a disruption budget.
//
//   - plan.go goes through a decision: what is moved, what is kept of it, what is let go;
//   - count.go counts what runs where;
//   - budget.go bounds moves that nothing forces;
//   - state.go hands the state of a failed copy to what replaces it.
//
// Values in, values out. That a replacement is ready is believed only of members that were asked just now (Facts.Fresh):
// what a report said may be over.
package handover
