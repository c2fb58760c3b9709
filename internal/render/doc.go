// Package render answers: which manifest does a member get for a template? It leaves out what the host's API
// server and controllers wrote, what only means something on the host, and what the member itself owns, and it
// adds the marks that say whose the object is.
//
// It is pure: a template and marks in, a manifest and its hash out. docs/rendering.md lists what is left out and
// why.
package render
