// Package placing answers, on a user's machine: why is a template where it is, and where would it go?
//
// `kubectl flotilla explain` and `simulate` read the host, or files, and ask the rules that the manager asks: policymatch,
// interpreter, capacity and schedule. They write nothing.
//
// They read the host (explain.go, simulate.go, situation.go), files (documents.go) and the room in members (room.go), ask
// what propagation and scheduling would (proposal.go, fleet.go), and tell what these say (choice.go, explanation.go and
// answer.go for explain; simulation.go; placement.go and output.go for both).
package placing
