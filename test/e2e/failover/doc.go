// Package failover holds the tests of what must hold while clusters fail, are drained and come back: a service has at every
// moment as many ready replicas as it should, as far as the members that are lost allow it.
//
// `serve` samples the ready pods of a template in all members ten times a second, from outside of Flotilla. FLOTILLA_RUNS
// says how often each kind of move is repeated (1 when it is not set).
package failover
