// Package version answers one question: which build of Flotilla is this?
//
// It reads the values that the linker put in and, where the linker put in none, what the Go
// toolchain recorded in the binary. It writes nothing and owns nothing.
package version
