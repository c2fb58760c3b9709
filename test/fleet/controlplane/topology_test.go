package controlplane

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flotilla-dev/flotilla/test/fleet/network"
)

// balance makes a plan one of a host with a balancer, with the ports 1, 2, 3...
func balance(p *Plan, topology Topology) {
	p.Name, p.Indexed, p.Topology, p.Balancer, p.Ports = "host", true, topology, "/programs/haproxy", nil
	for i := range topology.Ports() {
		p.Ports = append(p.Ports, i+1)
	}
}

func newBalanced(t *testing.T, topology Topology) (Plan, Cluster) {
	t.Helper()
	plan := newPlan(t, "host")
	balance(&plan, topology)
	cluster, err := plan.Write()
	if err != nil {
		t.Fatal(err)
	}
	return plan, cluster
}

// argument returns what follows an option in the arguments of each component.
func argument(components []Component, option string) []string {
	var values []string
	for _, component := range components {
		for _, arg := range component.Args {
			if value, found := strings.CutPrefix(arg, option+"="); found {
				values = append(values, value)
			}
		}
	}
	return values
}

func TestAPIServersUseTheEtcdMembersOfTheirTopology(t *testing.T) {
	tests := map[Topology][]string{
		// Each its own, straight.
		Stacked: {"http://127.0.0.1:1", "http://127.0.0.1:8", "http://127.0.0.1:15"},
		// Each all of them, over ways that can be cut.
		External: {
			"http://127.0.0.1:4,http://127.0.0.1:11,http://127.0.0.1:18",
			"http://127.0.0.1:4,http://127.0.0.1:11,http://127.0.0.1:18",
			"http://127.0.0.1:4,http://127.0.0.1:11,http://127.0.0.1:18",
		},
	}
	for topology, want := range tests {
		t.Run(string(topology), func(t *testing.T) {
			_, cluster := newBalanced(t, topology)
			if diff := cmp.Diff(want, argument(cluster.APIServers, "--etcd-servers")); diff != "" {
				t.Errorf("the stores of the API servers (-want +got):\n%s", diff)
			}
			all := "host-etcd-0=http://127.0.0.1:5,host-etcd-1=http://127.0.0.1:12,host-etcd-2=http://127.0.0.1:19"
			if diff := cmp.Diff([]string{all, all, all}, argument(cluster.Etcd, "--initial-cluster")); diff != "" {
				t.Errorf("the members of the store (-want +got):\n%s", diff)
			}
			for _, component := range cluster.Etcd {
				if slices.Contains(component.Args, "--unsafe-no-fsync") {
					t.Errorf("%s does not wait for its disk", component.Name)
				}
			}
		})
	}
}

func TestEveryPieceOfABalancedHostCanBeCutOff(t *testing.T) {
	api := func(name, listen, upstream string) network.Link {
		return network.Link{Name: name, Listen: listen, Upstream: upstream, Groups: []string{"host-balancer"}}
	}
	etcd := func(name, of, listen, upstream string) network.Link {
		return network.Link{Name: name, Listen: listen, Upstream: upstream, Groups: []string{of}}
	}
	_, cluster := newBalanced(t, External)
	want := []network.Link{
		api("host-apiserver-0", "127.0.0.1:6", "127.0.0.1:3"),
		{Name: "host-controller-manager-0", Listen: "127.0.0.1:7", Upstream: "127.0.0.1:3"},
		etcd("host-etcd-0-peers", "host-etcd-0", "127.0.0.1:5", "127.0.0.1:2"),
		etcd("host-etcd-0-clients", "host-etcd-0", "127.0.0.1:4", "127.0.0.1:1"),
	}
	if diff := cmp.Diff(want, cluster.Links[:len(cluster.Links)/3]); diff != "" {
		t.Errorf("the links of the first machine (-want +got):\n%s", diff)
	}
	_, cluster = newBalanced(t, Stacked)
	if got := len(cluster.Links); got != 9 {
		t.Errorf("a stacked host has %d links, want 3 for each machine: an API server and its store share one", got)
	}
	_, cluster = newBalanced(t, Stacked)
	if diff := cmp.Diff([]string{"127.0.0.1:3", "127.0.0.1:10", "127.0.0.1:17"}, cluster.Endpoints); diff != "" {
		t.Errorf("the API servers (-want +got):\n%s", diff)
	}
	if cluster.Address != "127.0.0.1:22" {
		t.Errorf("clients use %s, want the balancer", cluster.Address)
	}
}

func TestTheBalancerReachesAPIServersOverWaysThatCanBeCut(t *testing.T) {
	plan, _ := newBalanced(t, Stacked)
	content, err := os.ReadFile(plan.file(balancerConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "server ") || strings.HasPrefix(line, "bind ") {
			got = append(got, line)
		}
	}
	want := []string{
		"bind 127.0.0.1:22",
		"server host-apiserver-0 127.0.0.1:6", "server host-apiserver-1 127.0.0.1:13", "server host-apiserver-2 127.0.0.1:20",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the balancer (-want +got):\n%s", diff)
	}
}

func TestEveryControllerManagerOfABalancedHostUsesTheAPIServerOfItsMachine(t *testing.T) {
	_, cluster := newBalanced(t, Stacked)
	var got []string
	for _, file := range argument(cluster.Controllers, "--kubeconfig") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			if server, found := strings.CutPrefix(strings.TrimSpace(line), "server: https://"); found {
				got = append(got, server)
			}
		}
	}
	if diff := cmp.Diff([]string{"127.0.0.1:7", "127.0.0.1:14", "127.0.0.1:21"}, got); diff != "" {
		t.Errorf("what the controller managers talk to (-want +got):\n%s", diff)
	}
	want := []string{"true", "true", "true"}
	if diff := cmp.Diff(want, argument(cluster.Controllers, "--leader-elect")); diff != "" {
		t.Errorf("whether they elect a leader (-want +got):\n%s", diff)
	}
}
