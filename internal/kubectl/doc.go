// Package kubectl is the kubectl plugin: it answers what a person at a terminal asks of Flotilla.
//
// It reads kubeconfigs, writes Clusters and what belongs to them on the host, and gives Flotilla its account
// in a member that joins. Everything that goes on afterwards is the manager's; the plugin only watches it.
//
// explain and simulate write nothing. They read the host (explain.go, simulate.go, situation.go), files (documents.go) and
// the room in members (room.go), ask internal/policymatch and internal/schedule, and tell what these say (choice.go,
// explanation.go, answer.go; simulation.go; placement.go and output.go for both). fleet.go is the calculation itself.
package kubectl
