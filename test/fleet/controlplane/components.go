package controlplane

import (
	"fmt"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

func (p Plan) etcd() Component {
	name := p.name("etcd")
	clients, peers := "http://"+p.address(etcdClientPort), "http://"+p.address(etcdPeerPort)
	return Component{
		Spec: process.Spec{Name: name, Path: p.Programs.Path(kubebin.Etcd), Args: []string{
			"--name=" + name,
			"--data-dir=" + p.file("etcd"),
			"--listen-client-urls=" + clients,
			"--advertise-client-urls=" + clients,
			"--listen-peer-urls=" + peers,
			"--initial-advertise-peer-urls=" + peers,
			"--initial-cluster=" + name + "=" + peers,
			// What a power cut would lose, a fleet loses anyway.
			"--unsafe-no-fsync",
			"--log-level=warn",
		}},
		Health: clients + "/health",
	}
}

func (p Plan) apiServer(cluster Cluster) Component {
	return Component{
		Spec: process.Spec{Name: p.name("apiserver"), Path: p.Programs.Path(kubebin.APIServer), Args: []string{
			"--etcd-servers=http://" + p.address(etcdClientPort),
			"--bind-address=" + loopback,
			fmt.Sprintf("--secure-port=%d", p.Ports[apiServerPort]),
			"--advertise-address=" + advertiseAddress,
			"--endpoint-reconciler-type=none",
			"--tls-cert-file=" + p.file(serverCertFile),
			"--tls-private-key-file=" + p.file(serverKeyFile),
			"--client-ca-file=" + p.file(caCertFile),
			"--authentication-config=" + p.file(authenticationFile),
			"--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-signing-key-file=" + p.file(tokenKeyFile),
			"--service-account-key-file=" + p.file(tokenKeyFile),
			"--service-cluster-ip-range=" + serviceCIDR,
			"--allow-privileged",
			"--audit-policy-file=" + p.file(auditPolicyFile),
			"--audit-log-path=" + cluster.AuditLog,
			// One file, so that a reader needs no rotation.
			"--audit-log-maxsize=0",
		}},
		Health: "https://" + p.address(apiServerPort) + "/readyz",
		CA:     p.file(caCertFile),
	}
}

func (p Plan) controllerManager() Component {
	return Component{Spec: process.Spec{
		Name: p.name("controller-manager"), Path: p.Programs.Path(kubebin.ControllerManager), Args: []string{
			"--kubeconfig=" + p.file(controllerManagerKubeconfig),
			"--use-service-account-credentials",
			"--service-account-private-key-file=" + p.file(tokenKeyFile),
			"--root-ca-file=" + p.file(caCertFile),
			"--cluster-signing-cert-file=" + p.file(caCertFile),
			"--cluster-signing-key-file=" + p.file(caKeyFile),
			"--service-cluster-ip-range=" + serviceCIDR,
			"--leader-elect=false",
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
