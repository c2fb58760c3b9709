// Package expect says what a test wants to see across a fleet, and waits until it is so. Every wait ends with
// the last thing that was missing.
package expect
