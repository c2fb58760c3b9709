// Package configfile answers: how is the manager configured? One file, decoded strictly, holds everything;
// a missing file means the defaults.
package configfile
