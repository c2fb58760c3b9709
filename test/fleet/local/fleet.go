package local

import (
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// Fleet is a running fleet. Its methods may be called from several goroutines.
type Fleet struct {
	// Host is the host cluster.
	Host *Cluster
	// Members are the member clusters, member1 first.
	Members []*Cluster

	folder    folder
	state     state
	processes process.Table
	// faults serialises reading and changing the faults of links.
	faults sync.Mutex
}

// Cluster is one cluster of a fleet, seen by an administrator who reaches it directly, whatever is cut. A host with several
// API servers is reached through its balancer.
type Cluster struct {
	// Name is host, member1, member2...
	Name string
	// Kubeconfig is the file with the direct address.
	Kubeconfig string
	// ProxiedKubeconfig is the file with the address behind which the network can be cut.
	ProxiedKubeconfig string

	// auditLogs and endpoints belong to its API servers, in the same order.
	auditLogs, endpoints []string
	config               *rest.Config
	client               client.WithWatch
}

// RESTConfig returns a configuration of its own for a client without a throttle.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.config) }

// Client returns a client that knows Kubernetes', CustomResourceDefinitions' and Flotilla's types and caches nothing.
func (c *Cluster) Client() client.WithWatch { return c.client }

// Open returns the fleet that runs in a folder.
func Open(dir string) (*Fleet, error) {
	folder, err := newFolder(dir)
	if err != nil {
		return nil, err
	}
	state, err := folder.load()
	if err != nil {
		return nil, fmt.Errorf("opening the fleet in %s: %w", folder, err)
	}
	if !state.Ready {
		return nil, fmt.Errorf("opening the fleet in %s: it has not finished starting, or failed to", folder)
	}
	return open(folder, state)
}

func open(folder folder, state state) (*Fleet, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	fleet := &Fleet{folder: folder, state: state, processes: folder.processes()}
	for _, planned := range state.Clusters {
		cluster, err := openCluster(planned, scheme)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", planned.Name, err)
		}
		if cluster.Name == hostName {
			fleet.Host = cluster
			continue
		}
		fleet.Members = append(fleet.Members, cluster)
	}
	return fleet, nil
}

func openCluster(planned controlplane.Cluster, scheme *runtime.Scheme) (*Cluster, error) {
	config, err := LoadConfig(planned.Kubeconfig)
	if err != nil {
		return nil, err
	}
	direct, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("building a client: %w", err)
	}
	return &Cluster{
		Name:              planned.Name,
		Kubeconfig:        planned.Kubeconfig,
		ProxiedKubeconfig: planned.ProxiedKubeconfig,
		auditLogs:         planned.AuditLogs,
		endpoints:         planned.Endpoints,
		config:            config,
		client:            direct,
	}, nil
}

// LoadConfig reads a kubeconfig for a client without a throttle.
func LoadConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	// Negative means none; client-go's own default is 5 requests a second.
	config.QPS = -1
	return config, nil
}

// Member returns a member by name, or nil when the fleet has none of that name.
func (f *Fleet) Member(name string) *Cluster {
	i := slices.IndexFunc(f.Members, func(c *Cluster) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return f.Members[i]
}

// Dir is the absolute path of the fleet's folder.
func (f *Fleet) Dir() string { return string(f.folder) }

// LogFile is where a process of the fleet writes, for example manager-0.
func (f *Fleet) LogFile(name string) string { return f.processes.LogFile(name) }

// Program is the path of a program of the fleet: kubectl, or flotilla when the fleet has managers.
func (f *Fleet) Program(name string) string { return f.folder.path(programsDir + "/" + name) }
