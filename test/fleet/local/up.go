package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/network"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

const (
	// TopologySingle is a host with one etcd member and one API server.
	TopologySingle = string(controlplane.Single)
	// TopologyStacked is a host of three machines, each with an etcd member and an API server that uses that member only,
	// behind a balancer.
	TopologyStacked = string(controlplane.Stacked)
	// TopologyExternal is a host whose three etcd members are apart from its three API servers, of which each uses all
	// members, behind a balancer.
	TopologyExternal = string(controlplane.External)

	// DefaultNodes is how many nodes a member has unless told otherwise.
	DefaultNodes = 10
	// lockTimeout bounds how long Up and Down wait for each other.
	lockTimeout = 30 * time.Second
	// atOnce is how many clusters start at the same time at least; their start is partly waiting.
	atOnce = 2
)

// Options is the fleet that is wanted. The zero value is a host alone.
type Options struct {
	// Dir is the folder of the fleet. It is created when needed and may be that of an earlier fleet.
	Dir string
	// Members is the number of member clusters, 0 or more.
	Members int
	// Nodes is the number of nodes of each member; 0 means DefaultNodes.
	Nodes int
	// NodeSize is what each of them offers; nil means DefaultNodeSize.
	NodeSize corev1.ResourceList
	// MemberNodes are the nodes of members, by name, that differ from that.
	MemberNodes map[string]NodeGroup
	// Apart is how many of the members, the last ones, run without being joined; see Fleet.Join.
	Apart int
	// Managers is how many managers run. With at least one, config/ is installed and the members are joined.
	Managers int
	// ManagerConfig is the file with the managers' configuration; empty means config/manager/config.yaml.
	ManagerConfig string
	// Topology of the host; empty means TopologySingle.
	Topology string
	// Progress gets one line per step; nil means none.
	Progress io.Writer
}

func (o Options) validate() error {
	switch {
	case o.Dir == "":
		return errors.New("the folder of the fleet is missing")
	case o.Members < 0 || o.Nodes < 0 || o.Managers < 0:
		return errors.New("members, nodes and managers cannot be negative")
	case o.Apart < 0 || o.Apart > o.Members:
		return fmt.Errorf("%d of %d members cannot stay apart", o.Apart, o.Members)
	}
	for name := range o.MemberNodes {
		if !slices.Contains(o.memberNames(), name) {
			return fmt.Errorf("nodes are given for %q, which is none of the %d members", name, o.Members)
		}
	}
	switch o.Topology {
	case "", TopologySingle, TopologyStacked, TopologyExternal:
		return nil
	default:
		return fmt.Errorf("topology %q is none of %s, %s, %s", o.Topology, TopologySingle, TopologyStacked, TopologyExternal)
	}
}

// memberNames are the names of all members.
func (o Options) memberNames() []string {
	names := make([]string, 0, o.Members)
	for i := range o.Members {
		names = append(names, fmt.Sprintf("member%d", i+1))
	}
	return names
}

// nodes are those of a member.
func (o Options) nodes(member string) NodeGroup {
	if group, ok := o.MemberNodes[member]; ok {
		return group
	}
	if o.Nodes == 0 {
		return NodeGroup{Count: DefaultNodes, Size: o.NodeSize}
	}
	return NodeGroup{Count: o.Nodes, Size: o.NodeSize}
}

// Up starts a fleet and returns when all of it works. After a failure nothing of it runs, and its logs stay.
func Up(ctx context.Context, options Options) (*Fleet, error) {
	l, err := newLauncher(options)
	if err != nil {
		return nil, fmt.Errorf("starting a fleet: %w", err)
	}
	unlock, err := l.folder.lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting a fleet: %w", err)
	}
	defer unlock()
	if err := l.prepare(ctx); err != nil {
		return nil, fmt.Errorf("starting a fleet in %s: %w", l.folder, err)
	}
	fleet, err := l.launch(ctx)
	if err != nil {
		// The caller's context may be what ended the start; the processes must go all the same.
		clean := context.WithoutCancel(ctx)
		return nil, errors.Join(fmt.Errorf("starting a fleet in %s: %w", l.folder, err), stopAll(clean, l.folder))
	}
	return fleet, nil
}

// launcher is one run of Up.
type launcher struct {
	options   Options
	folder    folder
	root      string
	programs  kubebin.Set
	progress  *progress
	processes process.Table
	state     state
}

func newLauncher(options Options) (*launcher, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	if options.ManagerConfig != "" {
		absolute, err := filepath.Abs(options.ManagerConfig)
		if err != nil {
			return nil, fmt.Errorf("finding the managers' configuration: %w", err)
		}
		options.ManagerConfig = absolute
	}
	folder, err := newFolder(options.Dir)
	if err != nil {
		return nil, err
	}
	foreign, err := folder.foreign()
	if err != nil {
		return nil, err
	}
	if foreign {
		return nil, fmt.Errorf("%s holds something else than a fleet, choose an empty folder", folder)
	}
	root, err := kubebin.Root()
	if err != nil {
		return nil, err
	}
	return &launcher{
		options:   options,
		folder:    folder,
		root:      root,
		progress:  newProgress(options.Progress),
		processes: folder.processes(),
	}, nil
}

// lock makes sure that no other Up or Down works on the folder.
func (f folder) lock(ctx context.Context) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	unlock, err := kubebin.Lock(ctx, f.path(lockFile))
	if err != nil {
		return nil, fmt.Errorf("waiting for another start or stop of the same fleet: %w", err)
	}
	return unlock, nil
}

// prepare builds the programs, clears what an earlier fleet left, and writes all files of the new one.
func (l *launcher) prepare(ctx context.Context) error {
	running, err := l.processes.Names()
	if err != nil {
		return err
	}
	for _, name := range running {
		if l.processes.Status(name) != process.Gone {
			return fmt.Errorf("a fleet runs there already (%s does), stop it first", name)
		}
	}
	if err := errors.Join(l.folder.clear(), os.RemoveAll(l.folder.path(logsDir))); err != nil {
		return fmt.Errorf("clearing the folder: %w", err)
	}
	if err := l.build(ctx); err != nil {
		return err
	}
	if err := l.plan(ctx); err != nil {
		return err
	}
	return l.folder.save(l.state)
}

func (l *launcher) build(ctx context.Context) error {
	out := l.options.Progress
	if out == nil {
		out = io.Discard
	}
	var err error
	if l.programs, err = kubebin.Ensure(ctx, l.root, out); err != nil {
		return err
	}
	own := map[string]string{"fleet": "./test/fleet"}
	if l.options.Managers > 0 {
		own["flotilla"] = "."
	}
	for name, source := range own {
		target := l.folder.path(filepath.Join(programsDir, name))
		err := l.progress.step("build "+name, func() error { return kubebin.Own(ctx, l.root, source, target) })
		if err != nil {
			return err
		}
	}
	links := map[string]string{kubebin.Kubectl: l.programs.Path(kubebin.Kubectl)}
	if l.options.Managers > 0 {
		links["kubectl-flotilla"] = "flotilla" // so that `kubectl flotilla` finds its plugin
	}
	for name, target := range links {
		if err := os.Symlink(target, l.folder.path(filepath.Join(programsDir, name))); err != nil {
			return fmt.Errorf("linking %s: %w", name, err)
		}
	}
	return nil
}

// plans describes the clusters, the host first. Their ports come later.
func (l *launcher) plans() ([]controlplane.Plan, error) {
	host := controlplane.Plan{Name: hostName, Topology: controlplane.Topology(l.options.Topology), Indexed: true}
	if host.Topology.Balanced() {
		var err error
		if host.Balancer, err = controlplane.FindBalancer(); err != nil {
			return nil, fmt.Errorf("preparing a %s host: %w", host.Topology, err)
		}
	}
	plans := []controlplane.Plan{host}
	for _, name := range l.options.memberNames() {
		plans = append(plans, controlplane.Plan{Name: name, Nodes: l.options.nodes(name).Count})
	}
	for i := range plans {
		plans[i].Dir = l.folder.path(filepath.Join(clustersDir, plans[i].Name))
		plans[i].Kubeconfigs = string(l.folder)
		plans[i].Logs = l.folder.path(logsDir)
		plans[i].Programs = l.programs
	}
	return plans, nil
}

// plan takes ports and writes the files of each cluster.
func (l *launcher) plan(ctx context.Context) error {
	plans, err := l.plans()
	if err != nil {
		return err
	}
	register, err := newPortRegister()
	if err != nil {
		return err
	}
	needed := 1 + l.options.Managers*portsPerManager
	for _, plan := range plans {
		needed += plan.Topology.Ports() + 1
	}
	ports, err := register.take(ctx, l.folder, needed)
	if err != nil {
		return err
	}
	take := func(count int) []int {
		taken := ports[:count]
		ports = ports[count:]
		return taken
	}
	l.state = state{Control: address(take(1)[0])}
	for _, plan := range plans {
		plan.Ports, plan.ProxyAddress = take(plan.Topology.Ports()), address(take(1)[0])
		cluster, err := plan.Write()
		if err != nil {
			return err
		}
		l.state.Clusters = append(l.state.Clusters, cluster)
		l.state.Links = append(append(l.state.Links, cluster.Links...),
			network.Link{Name: plan.Name, Listen: plan.ProxyAddress, Upstream: cluster.Address})
	}
	for i := range l.options.Managers {
		l.planManager(i, take(portsPerManager))
	}
	l.state.Proxy = controlplane.Component{
		Spec: process.Spec{
			Name: proxyName,
			Path: l.folder.path(filepath.Join(programsDir, "fleet")),
			Args: []string{"proxy", "--dir", string(l.folder)},
		},
		Health: "http://" + l.state.Control + "/healthz",
	}
	return nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// launch starts everything that plan wrote down.
func (l *launcher) launch(ctx context.Context) (*Fleet, error) {
	fleet, err := open(l.folder, l.state)
	if err != nil {
		return nil, err
	}
	// The members of a store find each other through the proxy.
	if err := start(ctx, l.processes, l.state.Proxy); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(atOnce, runtime.NumCPU()))
	for i, cluster := range l.state.Clusters {
		group.Go(func() error {
			return l.progress.step("start "+cluster.Name, func() error {
				return l.startCluster(groupCtx, cluster, append([]*Cluster{fleet.Host}, fleet.Members...)[i])
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if len(l.state.Managers) > 0 {
		if err := l.install(ctx, fleet); err != nil {
			return nil, err
		}
	}
	l.state.Ready, fleet.state.Ready = true, true
	return fleet, l.folder.save(l.state)
}
