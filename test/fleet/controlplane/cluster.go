package controlplane

import (
	"fmt"
	"path/filepath"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
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
	// Etcd are the members of the store.
	Etcd []Component `json:"etcd"`
	// APIServers all serve the same store.
	APIServers []Component `json:"apiServers"`
	// Controllers are the programs that talk to an API server only.
	Controllers []Component `json:"controllers"`
	// Nodes is how many nodes kwok plays.
	Nodes int `json:"nodes"`
	// Address is the host and port of the API server.
	Address string `json:"address"`
	// AuditLog is where the API server writes one line per write request.
	AuditLog string `json:"auditLog"`
	// Kubeconfig is the file for an administrator with the API server's own address.
	Kubeconfig string `json:"kubeconfig"`
	// ProxiedKubeconfig is the same through the fleet's proxy.
	ProxiedKubeconfig string `json:"proxiedKubeconfig"`
}

// Components lists all programs in their start order.
func (c Cluster) Components() []Component {
	all := append([]Component{}, c.Etcd...)
	all = append(all, c.APIServers...)
	return append(all, c.Controllers...)
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
	// Ports are free ports on loopback: see PortsPerCluster.
	Ports []int
	// ProxyAddress is the address of the fleet's proxy in front of the API server.
	ProxyAddress string
	// Nodes is how many nodes kwok plays; without any there is neither kwok nor a scheduler.
	Nodes int
	// Indexed names etcd and API server with a number, for a cluster that may have several.
	Indexed bool
}

// PortsPerCluster is how many ports a Plan needs: etcd's clients, etcd's peers, the API server.
const PortsPerCluster = 3

// Write writes the certificates, kubeconfigs and configuration files of a cluster and returns its programs.
func (p Plan) Write() (Cluster, error) {
	if len(p.Ports) != PortsPerCluster {
		return Cluster{}, fmt.Errorf("planning %s: %d ports given, %d needed", p.Name, len(p.Ports), PortsPerCluster)
	}
	cluster := Cluster{
		Name:              p.Name,
		Nodes:             p.Nodes,
		Address:           p.address(apiServerPort),
		AuditLog:          filepath.Join(p.Logs, p.Name+"-audit.log"),
		Kubeconfig:        filepath.Join(p.Kubeconfigs, p.Name+".kubeconfig"),
		ProxiedKubeconfig: filepath.Join(p.Kubeconfigs, p.Name+".proxied.kubeconfig"),
	}
	if err := p.writeFiles(cluster); err != nil {
		return Cluster{}, fmt.Errorf("planning %s: %w", p.Name, err)
	}
	cluster.Etcd = []Component{p.etcd()}
	cluster.APIServers = []Component{p.apiServer(cluster)}
	cluster.Controllers = []Component{p.controllerManager()}
	if p.Nodes > 0 {
		cluster.Controllers = append(cluster.Controllers, p.scheduler(), p.kwok(cluster))
	}
	return cluster, nil
}

// Indexes into Plan.Ports.
const (
	etcdClientPort = iota
	etcdPeerPort
	apiServerPort
)

func (p Plan) address(port int) string {
	return fmt.Sprintf("%s:%d", loopback, p.Ports[port])
}

// name of a program that may have siblings.
func (p Plan) name(program string) string {
	if p.Indexed {
		return p.Name + "-" + program + "-0"
	}
	return p.Name + "-" + program
}

func (p Plan) file(name string) string {
	return filepath.Join(p.Dir, name)
}
