package controlplane

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
)

func newPlan(t *testing.T, name string) Plan {
	t.Helper()
	dir := t.TempDir()
	return Plan{
		Name:         name,
		Dir:          filepath.Join(dir, "clusters", name),
		Kubeconfigs:  dir,
		Logs:         filepath.Join(dir, "logs"),
		Programs:     kubebin.Set{Dir: "/programs"},
		Ports:        []int{20001, 20002, 20003},
		ProxyAddress: "127.0.0.1:20004",
	}
}

func TestAClusterIsMadeOfTheProgramsOfItsRole(t *testing.T) {
	tests := map[string]struct {
		change func(*Plan)
		want   []string
	}{
		"a host": {
			func(p *Plan) { p.Name, p.Indexed = "host", true },
			[]string{"host-etcd-0", "host-apiserver-0", "host-controller-manager-0"},
		},
		"a host with a balancer": {
			func(p *Plan) { balance(p, Stacked) },
			[]string{
				"host-etcd-0", "host-etcd-1", "host-etcd-2", "host-apiserver-0", "host-apiserver-1", "host-apiserver-2",
				"host-balancer", "host-controller-manager-0", "host-controller-manager-1", "host-controller-manager-2",
			},
		},
		"a member": {
			func(p *Plan) { p.Nodes = 2 },
			[]string{"member1-etcd", "member1-apiserver", "member1-controller-manager", "member1-scheduler", "member1-kwok"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			plan := newPlan(t, "member1")
			tc.change(&plan)
			cluster, err := plan.Write()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, component := range cluster.Components() {
				got = append(got, component.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("components (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPlanWithoutEnoughPortsIsRefused(t *testing.T) {
	plan := newPlan(t, "member1")
	plan.Ports = plan.Ports[:2]
	if _, err := plan.Write(); err == nil || !strings.Contains(err.Error(), "2 ports given, 3 needed") {
		t.Errorf("got error %v", err)
	}
}

func TestKubeconfigsIdentifyTheirUsersAndAddresses(t *testing.T) {
	plan := newPlan(t, "member1")
	cluster, err := plan.Write()
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(plan.Kubeconfigs, "manager-0.kubeconfig")
	if err := WriteTokenKubeconfig(token, cluster.Kubeconfig, "127.0.0.1:20005", "secret"); err != nil {
		t.Fatal(err)
	}
	type identity struct{ Server, User, Group, Token string }
	want := map[string]identity{
		cluster.Kubeconfig:                         {"https://127.0.0.1:20003", "admin", "system:masters", ""},
		cluster.ProxiedKubeconfig:                  {"https://127.0.0.1:20004", "admin", "system:masters", ""},
		plan.file("controller-manager.kubeconfig"): {"https://127.0.0.1:20003", "system:kube-controller-manager", "", ""},
		plan.file(schedulerKubeconfig):             {"https://127.0.0.1:20003", "system:kube-scheduler", "", ""},
		token:                                      {"https://127.0.0.1:20005", "", "", "secret"},
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(plan.file(caCertFile))
	if err != nil {
		t.Fatal(err)
	}
	roots.AppendCertsFromPEM(ca)
	got := map[string]identity{}
	for file := range want {
		config, err := clientcmd.BuildConfigFromFlags("", file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(ca), string(config.CAData)); diff != "" {
			t.Errorf("%s: authority (-want +got):\n%s", filepath.Base(file), diff)
		}
		found := identity{Server: config.Host, Token: config.BearerToken}
		if block, _ := pem.Decode(config.CertData); block != nil {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			usage := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
			if _, err := cert.Verify(usage); err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
			}
			found.User, found.Group = cert.Subject.CommonName, strings.Join(cert.Subject.Organization, ",")
		}
		got[file] = found
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}
}
