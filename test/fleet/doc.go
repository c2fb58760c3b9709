// Package main is the command line of the test bed: it starts, breaks, repairs and stops fleets of real control planes
// that run as processes on this machine. See test/README.md.
package main
