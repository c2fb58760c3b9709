// Package validation answers: what does a real host say to good and bad objects of Flotilla's kinds?
//
// Its tests start a host, install config/crd and the policy for selectors there, and create objects in
// dry-run, so that nothing is left behind but what a test of updates needs.
package validation
