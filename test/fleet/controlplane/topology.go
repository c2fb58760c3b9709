package controlplane

import (
	"fmt"

	"github.com/flotilla-dev/flotilla/test/fleet/network"
)

// Topology is how the pieces of a control plane lie, in the words of Kubernetes' documentation. The zero value is
// Single.
type Topology string

const (
	// Single is one etcd member and one API server.
	Single Topology = "single"
	// Stacked is three machines, each with an etcd member and an API server that uses that member only.
	Stacked Topology = "stacked"
	// External is three machines with an API server each, and three others with an etcd member each. Every API server
	// uses all etcd members.
	External Topology = "external"
)

const (
	// replicas is how many of each piece a balanced topology has: the fewest that keep a quorum without one.
	replicas = 3
	// portsSingle is what one machine listens on when nothing between its programs can be cut: etcd's clients, etcd's
	// peers, the API server.
	portsSingle = 3
	// portsMachine adds the ways to these three and that of the controller manager.
	portsMachine = 7
)

// Balanced says whether there are several API servers, behind a balancer.
func (t Topology) Balanced() bool { return t == Stacked || t == External }

// Ports is how many ports a Plan of this topology needs.
func (t Topology) Ports() int {
	if t.Balanced() {
		return replicas*portsMachine + 1
	}
	return portsSingle
}

// machine is where the programs with the same number run, as addresses. In the external topology it stands for two.
type machine struct {
	index int
	// etcdClients, etcdPeers and apiServer are what the programs listen on.
	etcdClients, etcdPeers, apiServer string
	// clientWay, peerWay and apiWay are over what others reach these. Where nothing can be cut they are the same.
	clientWay, peerWay, apiWay string
	// controllerWay is over what the controller manager reaches the API server of its machine.
	controllerWay string
}

// lay gives each machine its addresses, and returns the one that clients of the cluster use.
func (p Plan) lay() ([]machine, string) {
	address := func(i int) string { return fmt.Sprintf("%s:%d", loopback, p.Ports[i]) }
	if !p.Topology.Balanced() {
		m := machine{etcdClients: address(0), etcdPeers: address(1), apiServer: address(2)}
		m.clientWay, m.peerWay, m.apiWay, m.controllerWay = m.etcdClients, m.etcdPeers, m.apiServer, m.apiServer
		return []machine{m}, m.apiServer
	}
	machines := make([]machine, 0, replicas)
	for i := range replicas {
		at := i * portsMachine
		m := machine{
			index: i, etcdClients: address(at), etcdPeers: address(at + 1), apiServer: address(at + 2),
			clientWay: address(at + 3), peerWay: address(at + 4), apiWay: address(at + 5), controllerWay: address(at + 6),
		}
		if p.Topology == Stacked {
			// An API server and its store share a machine: there is no network between them.
			m.clientWay = m.etcdClients
		}
		machines = append(machines, m)
	}
	return machines, address(replicas * portsMachine)
}

// links are the ways to and between the programs of a machine that can be cut: each under the name of the program that
// cannot be reached any more, and those of the balancer under its name too.
func (p Plan) links(m machine) []network.Link {
	if !p.Topology.Balanced() {
		return nil
	}
	etcd := p.name("etcd", m)
	links := []network.Link{
		{Name: p.name("apiserver", m), Listen: m.apiWay, Upstream: m.apiServer, Groups: []string{p.balancerName()}},
		{Name: p.name(controllerManager, m), Listen: m.controllerWay, Upstream: m.apiServer},
		{Name: etcd + "-peers", Listen: m.peerWay, Upstream: m.etcdPeers, Groups: []string{etcd}},
	}
	if p.Topology == External {
		links = append(links,
			network.Link{Name: etcd + "-clients", Listen: m.clientWay, Upstream: m.etcdClients, Groups: []string{etcd}})
	}
	return links
}

// own is the name of what one machine has for itself: numbered where there are several.
func (p Plan) own(name string, m machine) string {
	if p.Topology.Balanced() {
		return fmt.Sprintf("%s-%d", name, m.index)
	}
	return name
}
