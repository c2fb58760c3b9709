package controlplane

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/network"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

const (
	loopback = "127.0.0.1"
	// serviceCIDR is where Services get their addresses; nothing routes it.
	serviceCIDR = "10.96.0.0/16"
	// kubernetesServiceIP is the first address of serviceCIDR, which the API server takes for itself.
	kubernetesServiceIP = "10.96.0.1"
	// podCIDR is where kwok gives pods their addresses; nothing routes it either.
	podCIDR = "10.128.0.0/9"
	// advertiseAddress is never used, because no endpoints are reconciled, but the API server insists on one that is not
	// loopback and finds none on a machine without a default route. It is one of the documentation addresses of RFC 5737.
	advertiseAddress = "192.0.2.1"
	// Admin and AdminGroup are the identity in the admin kubeconfigs.
	Admin      = "admin"
	AdminGroup = "system:masters"
)

// Component is one program of a cluster.
type Component struct {
	process.Spec
	// Health is the URL that answers 200 when the component works; empty for one that serves nothing.
	Health string `json:"health,omitempty"`
	// CA is the file with the authority that signed the certificate behind an https URL.
	CA string `json:"ca,omitempty"`
}

// Cluster is what is to be started, in order: each list needs the ones before it.
type Cluster struct {
	// Name is host or that of a member.
	Name string `json:"name"`
	// Etcd are the members of the store. They need each other to become healthy.
	Etcd []Component `json:"etcd"`
	// APIServers all serve the same store.
	APIServers []Component `json:"apiServers"`
	// Balancers is the balancer in front of them, where there are several.
	Balancers []Component `json:"balancers,omitempty"`
	// Controllers are the programs that talk to an API server only.
	Controllers []Component `json:"controllers"`
	// Links are the ways between these programs that can be cut.
	Links []network.Link `json:"links,omitempty"`
	// Nodes is how many nodes kwok plays.
	Nodes int `json:"nodes"`
	// Address is the host and port of the API server, or of the balancer in front of several.
	Address string `json:"address"`
	// Endpoints are the hosts and ports of the API servers themselves.
	Endpoints []string `json:"endpoints"`
	// AuditLogs is where each of them writes one line per write request.
	AuditLogs []string `json:"auditLogs"`
	// Kubeconfig is the file for an administrator with Address.
	Kubeconfig string `json:"kubeconfig"`
	// ProxiedKubeconfig is the same through the fleet's proxy.
	ProxiedKubeconfig string `json:"proxiedKubeconfig"`
}

// Stages are all programs in their start order: those of one stage start together.
func (c Cluster) Stages() [][]Component {
	return [][]Component{c.Etcd, c.APIServers, c.Balancers, c.Controllers}
}

// Components lists all programs in their start order.
func (c Cluster) Components() []Component {
	return slices.Concat(c.Stages()...)
}

// Plan is what a cluster is made from.
type Plan struct {
	// Name is host or that of a member; programs are named after it.
	Name string
	// Dir is the folder for everything that only this cluster's programs read and write.
	Dir string
	// Kubeconfigs is the folder for the kubeconfigs that people and tests use.
	Kubeconfigs string
	// Logs is the folder for the audit log.
	Logs string
	// Programs is the set to run.
	Programs kubebin.Set
	// Topology is how its pieces lie; empty means Single.
	Topology Topology
	// Balancer is the path of HAProxy, for a topology with a balancer.
	Balancer string
	// Ports are free ports on loopback, as many as Topology.Ports says.
	Ports []int
	// ProxyAddress is the address of the fleet's proxy in front of the API server.
	ProxyAddress string
	// Nodes is how many nodes kwok plays; without any there is neither kwok nor a scheduler.
	Nodes int
	// Indexed names etcd and API server with a number, for a cluster that may have several.
	Indexed bool
}

// Write writes the certificates, kubeconfigs and configuration files of a cluster and returns its programs.
func (p Plan) Write() (Cluster, error) {
	if needed := p.Topology.Ports(); len(p.Ports) != needed {
		return Cluster{}, fmt.Errorf("planning %s: %d ports given, %d needed", p.Name, len(p.Ports), needed)
	}
	machines, front := p.lay()
	cluster := Cluster{
		Name:              p.Name,
		Nodes:             p.Nodes,
		Address:           front,
		Kubeconfig:        filepath.Join(p.Kubeconfigs, p.Name+".kubeconfig"),
		ProxiedKubeconfig: filepath.Join(p.Kubeconfigs, p.Name+".proxied.kubeconfig"),
	}
	if err := p.writeFiles(cluster, machines); err != nil {
		return Cluster{}, fmt.Errorf("planning %s: %w", p.Name, err)
	}
	for _, m := range machines {
		cluster.Links = append(cluster.Links, p.links(m)...)
		cluster.Endpoints = append(cluster.Endpoints, m.apiServer)
		cluster.AuditLogs = append(cluster.AuditLogs, p.auditLog(m))
		cluster.Etcd = append(cluster.Etcd, p.etcd(m, machines))
		cluster.APIServers = append(cluster.APIServers, p.apiServer(m, machines))
		cluster.Controllers = append(cluster.Controllers, p.controllerManager(m))
	}
	if p.Topology.Balanced() {
		cluster.Balancers = []Component{p.balancer(front)}
	}
	if p.Nodes > 0 {
		cluster.Controllers = append(cluster.Controllers, p.scheduler(), p.kwok(cluster))
	}
	return cluster, nil
}

// name of a program that may have siblings on other machines.
func (p Plan) name(program string, m machine) string {
	if p.Indexed {
		return fmt.Sprintf("%s-%s-%d", p.Name, program, m.index)
	}
	return p.Name + "-" + program
}

// auditLog is where the API server of a machine writes who wrote what.
func (p Plan) auditLog(m machine) string {
	if p.Topology.Balanced() {
		return filepath.Join(p.Logs, p.name("apiserver", m)+"-audit.log")
	}
	return filepath.Join(p.Logs, p.Name+"-audit.log")
}

func (p Plan) file(name string) string {
	return filepath.Join(p.Dir, name)
}
