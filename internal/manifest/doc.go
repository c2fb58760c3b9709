// Package manifest answers: what does one member get of a template? It puts together what other packages say: the member's
// replicas (package interpreter), what differs there (override), and what is left out and marked (render).
//
// Execution applies the answer; `kubectl flotilla render` shows it.
package manifest
