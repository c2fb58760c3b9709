// Package manager assembles `flotilla manager`: which parts there are, and how they are put together.
// assemble is the table of contents of the whole.
package manager
