// Package interpreting answers: what does Flotilla understand of an object? It is `kubectl flotilla interpret`.
//
// It reads files and talks to no cluster; it writes to the given streams and owns nothing.
package interpreting
