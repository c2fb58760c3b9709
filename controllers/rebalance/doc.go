// Package rebalance answers: which templates did somebody ask to place anew, and has the scheduler done so?
//
// It reads WorkloadRebalancers, bindings and the labels of templates, all from caches; nothing is listed from the host.
// A request begins with its start time in the status. That time is then written into the bindings'
// spec.rescheduleTriggeredAt, unless they hold a later one, and a binding is done when the scheduler's memory of
// its last decision names that time or a later one. So a manager that takes over goes on where the last one stopped. It
// never writes where a template goes.
//
// Field owner: flotilla-rebalance, of spec.rescheduleTriggeredAt and the WorkloadRebalancer's status. A
// WorkloadRebalancer that has finished is deleted when its time is up, if it has one.
package rebalance
