// Package eviction tests, on a real API server and with the rights that config/ installs, how graceful eviction tasks begin
// and end, beside what users and other controllers write into the same list. The scheduler is played by the tests.
package eviction
