// Package report answers: what did each member last say about each binding?
//
// Execution posts, aggregation reads. The board is memory only: after a restart execution posts again as
// it looks at every binding, and until then aggregation keeps what the binding's status already says.
//
// Who must not act on what was so at some time, doubts it; then execution asks the member itself.
package report
