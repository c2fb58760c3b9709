// Package definitions shows what becomes of members when somebody deletes Flotilla's definitions on the host, and with them every policy,
// template, binding and Cluster. It has a fleet of its own, which is of no use afterwards.
package definitions
