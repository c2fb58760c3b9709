// Package pace holds the test of a fleet of ten clusters that loses two: what is in them leaves at the rate that the configuration
// says. Such a fleet takes a minute to start, so that it runs only where FLOTILLA_LONG is set.
package pace
