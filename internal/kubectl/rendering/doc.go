// Package rendering is the command `kubectl flotilla render`: what a member gets of a template, and which override rule
// changed what.
//
// It reads the host and writes nothing. The manifest is made by the very code that execution uses (package manifest).
package rendering
