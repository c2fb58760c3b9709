package controlplane

import (
	"fmt"
	"strings"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

func (p Plan) etcd(m machine, all []machine) Component {
	name := p.name("etcd", m)
	initial := make([]string, 0, len(all))
	for _, other := range all {
		initial = append(initial, p.name("etcd", other)+"=http://"+other.peerWay)
	}
	args := []string{
		"--name=" + name,
		"--data-dir=" + p.file(p.own("etcd", m)),
		"--listen-client-urls=http://" + m.etcdClients,
		"--advertise-client-urls=http://" + m.clientWay,
		"--listen-peer-urls=http://" + m.etcdPeers,
		"--initial-advertise-peer-urls=http://" + m.peerWay,
		"--initial-cluster=" + strings.Join(initial, ","),
		"--log-level=warn",
	}
	if !p.Topology.Balanced() {
		// What a power cut would lose, a fleet loses anyway. A store of several members is there to be broken, and
		// shall take as long for a write as a real one.
		args = append(args, "--unsafe-no-fsync")
	}
	return Component{
		Spec:   process.Spec{Name: name, Path: p.Programs.Path(kubebin.Etcd), Args: args},
		Health: "http://" + m.etcdClients + "/health",
	}
}

// stores are the addresses of the etcd members that the API server of a machine uses.
func (p Plan) stores(m machine, all []machine) string {
	if p.Topology != External {
		return "http://" + m.clientWay
	}
	urls := make([]string, 0, len(all))
	for _, other := range all {
		urls = append(urls, "http://"+other.clientWay)
	}
	return strings.Join(urls, ",")
}

func (p Plan) apiServer(m machine, all []machine) Component {
	_, port, _ := strings.Cut(m.apiServer, ":")
	return Component{
		Spec: process.Spec{Name: p.name("apiserver", m), Path: p.Programs.Path(kubebin.APIServer), Args: []string{
			"--etcd-servers=" + p.stores(m, all),
			"--bind-address=" + loopback,
			"--secure-port=" + port,
			"--advertise-address=" + advertiseAddress,
			"--endpoint-reconciler-type=none",
			"--tls-cert-file=" + p.file(serverCertFile),
			"--tls-private-key-file=" + p.file(serverKeyFile),
			"--client-ca-file=" + p.file(caCertFile),
			"--authentication-config=" + p.file(authenticationFile),
			"--authorization-mode=RBAC",
			"--service-account-issuer=" + tokenIssuer,
			"--service-account-signing-key-file=" + p.file(tokenKeyFile),
			"--service-account-key-file=" + p.file(tokenKeyFile),
			"--service-cluster-ip-range=" + serviceCIDR,
			"--allow-privileged",
			"--audit-policy-file=" + p.file(auditPolicyFile),
			"--audit-log-path=" + p.auditLog(m),
			// One file, so that a reader needs no rotation.
			"--audit-log-maxsize=0",
		}},
		Health: "https://" + m.apiServer + "/readyz",
		CA:     p.file(caCertFile),
	}
}

func (p Plan) controllerManager(m machine) Component {
	return Component{Spec: process.Spec{
		Name: p.name("controller-manager", m), Path: p.Programs.Path(kubebin.ControllerManager), Args: []string{
			"--kubeconfig=" + p.file(p.own(controllerManager, m)+".kubeconfig"),
			"--use-service-account-credentials",
			"--service-account-private-key-file=" + p.file(tokenKeyFile),
			"--root-ca-file=" + p.file(caCertFile),
			"--cluster-signing-cert-file=" + p.file(caCertFile),
			"--cluster-signing-key-file=" + p.file(caKeyFile),
			"--service-cluster-ip-range=" + serviceCIDR,
			fmt.Sprintf("--leader-elect=%t", p.Topology.Balanced()),
			"--secure-port=0",
			fmt.Sprintf("--kube-api-qps=%d", clientQPS),
			fmt.Sprintf("--kube-api-burst=%d", clientBurst),
		},
	}}
}

func (p Plan) scheduler() Component {
	return Component{Spec: process.Spec{
		Name: p.Name + "-scheduler", Path: p.Programs.Path(kubebin.Scheduler), Args: []string{
			"--config=" + p.file(schedulerConfigFile),
			"--secure-port=0",
		},
	}}
}

func (p Plan) kwok(cluster Cluster) Component {
	return Component{Spec: process.Spec{
		Name: p.Name + "-kwok", Path: p.Programs.Path(kubebin.Kwok), Args: []string{
			"--kubeconfig=" + cluster.Kubeconfig,
			"--config=" + p.Programs.KwokStages(),
			"--manage-all-nodes",
			"--node-ip=" + loopback,
			"--cidr=" + podCIDR,
			// As long as a kubelet's: without kwok the nodes become NotReady after that time.
			"--node-lease-duration-seconds=40",
		},
	}}
}
