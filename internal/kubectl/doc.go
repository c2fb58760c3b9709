// Package kubectl is the kubectl plugin: it answers what a person at a terminal asks of Flotilla.
//
// It reads kubeconfigs, writes Clusters and what belongs to them on the host, and gives Flotilla its account
// in a member that joins. Everything that goes on afterwards is the manager's; the plugin only watches it.
//
// It assembles the root command. join, unjoin, get and version are here; explain and simulate, which write nothing, are
// those of the package placing; taint, cordon, uncordon and drain are those of the package tainting. How they reach the host
// is in the package hostcluster.
package kubectl
