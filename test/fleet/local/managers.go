package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/network"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

const (
	managerPrefix = "manager-"
	// ManagerAccount is the ServiceAccount in v1alpha1.SystemNamespace that config/ installs and the managers run as.
	ManagerAccount = "flotilla-manager"
	// portsPerManager: health, metrics, and the way to the host.
	portsPerManager = 3
	// tokenSeconds is a year: longer than any fleet runs.
	tokenSeconds = 365 * 24 * 60 * 60
	// joinTimeout bounds the time from the last join until every Cluster is Ready. It bounds a broken run and says nothing about speed.
	joinTimeout = 2 * time.Minute
	// readyInterval is how often Clusters are looked at meanwhile.
	readyInterval = 200 * time.Millisecond
)

// planManager describes one manager. It reaches the host on a link of its own, so that it can be cut off alone.
func (l *launcher) planManager(index int, ports []int) {
	name := fmt.Sprintf("%s%d", managerPrefix, index)
	config := l.options.ManagerConfig
	if config == "" {
		config = filepath.Join(l.root, "config", "manager", "config.yaml")
	}
	health, metrics, link := address(ports[0]), address(ports[1]), address(ports[2])
	l.state.Links = append(l.state.Links, network.Link{
		Name: name, Listen: link, Upstream: l.state.Clusters[0].Address, Groups: []string{hostName},
	})
	l.state.Managers = append(l.state.Managers, controlplane.Component{
		Spec: process.Spec{
			Name: name,
			Path: l.folder.path(filepath.Join(programsDir, "flotilla")),
			Args: []string{
				"manager",
				"--config=" + config,
				"--kubeconfig=" + l.folder.path(name+".kubeconfig"),
				"--health-probe-bind-address=" + health,
				"--metrics-bind-address=" + metrics,
				"--leader-elect",
			},
			Env: []string{"POD_NAME=" + name}, // which tells in the lease who leads
		},
		Health: "http://" + health + "/healthz",
	})
}

// install puts config/ into the host, starts the managers as its ServiceAccount and joins all members.
func (l *launcher) install(ctx context.Context, fleet *Fleet) error {
	err := l.progress.step("install config/default", func() error {
		return l.folder.run(ctx, kubebin.Kubectl, "apply", "--server-side", "--force-conflicts",
			"--kubeconfig", fleet.Host.Kubeconfig, "-k", filepath.Join(l.root, "config", "default"))
	})
	if err != nil {
		return err
	}
	for _, manager := range l.state.Managers {
		err := l.progress.step("start "+manager.Name, func() error { return l.startManager(ctx, fleet.Host, manager) })
		if err != nil {
			return err
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	joining := fleet.Members[:len(fleet.Members)-l.options.Apart]
	for _, member := range joining {
		group.Go(func() error {
			return l.progress.step("join "+member.Name, func() error { return fleet.join(groupCtx, member) })
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return l.progress.step("clusters ready", func() error { return waitClustersReady(ctx, fleet.Host, joining...) })
}

// Join joins a member of the fleet that is not joined, and returns when its Cluster is Ready.
func (f *Fleet) Join(ctx context.Context, name string) error {
	member := f.Member(name)
	if member == nil {
		return fmt.Errorf("joining: there is no member %q in this fleet", name)
	}
	if err := f.join(ctx, member); err != nil {
		return fmt.Errorf("joining %s: %w", name, err)
	}
	return waitClustersReady(ctx, f.Host, member)
}

// join does what a user does.
func (f *Fleet) join(ctx context.Context, member *Cluster) error {
	return f.folder.run(ctx, "flotilla", "join", member.Name,
		"--kubeconfig", f.Host.Kubeconfig, "--cluster-kubeconfig", member.ProxiedKubeconfig)
}

func (l *launcher) startManager(ctx context.Context, host *Cluster, manager controlplane.Component) error {
	account := &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: ManagerAccount},
	}
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](tokenSeconds)},
	}
	if err := host.client.SubResource("token").Create(ctx, account, request); err != nil {
		return fmt.Errorf("asking for a token of ServiceAccount %s: %w", ManagerAccount, err)
	}
	i := slices.IndexFunc(l.state.Links, func(link network.Link) bool { return link.Name == manager.Name })
	kubeconfig := l.folder.path(manager.Name + ".kubeconfig")
	err := controlplane.WriteTokenKubeconfig(kubeconfig, host.Kubeconfig, l.state.Links[i].Listen, request.Status.Token)
	if err != nil {
		return err
	}
	return start(ctx, l.processes, manager)
}

// run runs a program of the fleet; an error quotes what it printed.
func (f folder) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, f.path(filepath.Join(programsDir, program)), args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s %s: %w\n%s", program, args[0], err, strings.TrimSpace(output.String()))
	}
	return nil
}

func waitClustersReady(ctx context.Context, host *Cluster, members ...*Cluster) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, readyInterval, joinTimeout, true, func(ctx context.Context) (bool, error) {
		last = clustersReady(ctx, host, members)
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("waiting for the clusters: %w", err), last)
	}
	return nil
}

// clustersReady names the members that are not ready, with their own explanation.
func clustersReady(ctx context.Context, host *Cluster, members []*Cluster) error {
	var clusters v1alpha1.ClusterList
	if err := host.client.List(ctx, &clusters); err != nil {
		return fmt.Errorf("listing clusters: %w", err)
	}
	var problems []error
	for _, member := range members {
		i := slices.IndexFunc(clusters.Items, func(c v1alpha1.Cluster) bool { return c.Name == member.Name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("there is no Cluster %s", member.Name))
			continue
		}
		ready := meta.FindStatusCondition(clusters.Items[i].Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case ready == nil:
			problems = append(problems, fmt.Errorf("nothing is known about Cluster %s", member.Name))
		case ready.Status != metav1.ConditionTrue:
			problems = append(problems, fmt.Errorf("cluster %s: %s: %s", member.Name, ready.Reason, ready.Message))
		}
	}
	return errors.Join(problems...)
}
