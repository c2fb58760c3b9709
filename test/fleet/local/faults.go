package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/network"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// Kill ends a cluster, a manager or a single process at once (SIGKILL). The name is one of Names.
func (f *Fleet) Kill(ctx context.Context, name string) error {
	stages, err := f.find(name)
	if err != nil {
		return fmt.Errorf("killing: %w", err)
	}
	return f.processes.Kill(ctx, names(slices.Concat(stages...))...)
}

// Stop suspends a cluster, a manager or a single process (SIGSTOP): its connections stay and nothing answers.
func (f *Fleet) Stop(_ context.Context, name string) error {
	stages, err := f.find(name)
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	var problems []error
	for _, component := range slices.Concat(stages...) {
		if f.processes.Status(component.Name) != process.Gone {
			problems = append(problems, f.processes.Signal(component.Name, syscall.SIGSTOP))
		}
	}
	return errors.Join(problems...)
}

// Start resumes what Stop suspended and runs again what was killed, with the same arguments and ports, and waits until
// it is healthy. What runs already stays as it is.
func (f *Fleet) Start(ctx context.Context, name string) error {
	stages, err := f.find(name)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	for _, stage := range stages {
		if err := f.startAgain(ctx, stage); err != nil {
			return fmt.Errorf("starting %s: %w", name, err)
		}
	}
	return nil
}

func (f *Fleet) startAgain(ctx context.Context, stage []controlplane.Component) error {
	var dead []controlplane.Component
	for _, component := range stage {
		if f.processes.Status(component.Name) == process.Gone {
			dead = append(dead, component)
			continue
		}
		// A running process does not mind, and a suspension that is still on its way is taken back too.
		if err := f.processes.Signal(component.Name, syscall.SIGCONT); err != nil {
			return err
		}
	}
	return start(ctx, f.processes, dead...)
}

// Cut holds back everything on the way to a cluster, or on the way from one manager to the host. The host's own name
// stands for the way of all managers to the host. In a host with a balancer it also cuts off an API server, an etcd member
// or a controller manager, and under the balancer's name all API servers from it: see test/README.md.
func (f *Fleet) Cut(ctx context.Context, name string) error {
	return f.change(ctx, name, func(faults *network.Faults) { faults.Cut = true })
}

// Heal takes back Cut and Slow.
func (f *Fleet) Heal(ctx context.Context, name string) error {
	return f.change(ctx, name, func(faults *network.Faults) { *faults = network.Faults{} })
}

// Slow makes each round trip on the way to a cluster, or from one manager to the host, that much longer.
func (f *Fleet) Slow(ctx context.Context, name string, latency time.Duration) error {
	return f.change(ctx, name, func(faults *network.Faults) { faults.Latency = latency })
}

func (f *Fleet) change(ctx context.Context, name string, change func(*network.Faults)) error {
	f.faults.Lock()
	defer f.faults.Unlock()
	var known []string
	var links []network.Link
	for _, link := range f.state.Links {
		known = append(append(known, link.Name), link.Groups...)
		if link.Called(name) {
			links = append(links, link)
		}
	}
	if len(links) == 0 {
		slices.Sort(known)
		known = slices.Compact(known)
		return fmt.Errorf("there is no network link %q; there are %s", name, strings.Join(known, ", "))
	}
	proxy := network.Client{Control: f.state.Control}
	for _, link := range links {
		faults, err := proxy.Get(ctx, link.Name)
		if err != nil {
			return err
		}
		change(&faults)
		if err := proxy.Set(ctx, link.Name, faults); err != nil {
			return err
		}
	}
	return nil
}

// Names lists what Kill, Stop and Start accept: clusters first, then processes.
func (f *Fleet) Names() []string {
	var groups, single []string
	for _, cluster := range f.state.Clusters {
		groups = append(groups, cluster.Name)
		single = append(single, names(cluster.Components())...)
	}
	single = append(single, names(f.state.Managers)...)
	return append(append(groups, single...), f.state.Proxy.Name)
}

// find returns the components behind a name, in the stages in which they start.
func (f *Fleet) find(name string) ([][]controlplane.Component, error) {
	all := append([]controlplane.Component{f.state.Proxy}, f.state.Managers...)
	for _, cluster := range f.state.Clusters {
		if cluster.Name == name {
			return cluster.Stages(), nil
		}
		all = append(all, cluster.Components()...)
	}
	i := slices.IndexFunc(all, func(c controlplane.Component) bool { return c.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no %q in this fleet; there are %s", name, strings.Join(f.Names(), ", "))
	}
	return [][]controlplane.Component{all[i : i+1]}, nil
}

func names(components []controlplane.Component) []string {
	list := make([]string, 0, len(components))
	for _, component := range components {
		list = append(list, component.Name)
	}
	return list
}
