package controlplane

import (
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Files in a cluster's own folder.
const (
	caCertFile          = "pki/ca.crt"
	caKeyFile           = "pki/ca.key"
	serverCertFile      = "pki/apiserver.crt"
	serverKeyFile       = "pki/apiserver.key"
	tokenKeyFile        = "pki/service-account.key"
	controllerManager   = "controller-manager" // .kubeconfig, one per machine
	schedulerKubeconfig = "scheduler.kubeconfig"
	schedulerConfigFile = "scheduler.yaml"
	authenticationFile  = "authentication.yaml"
	auditPolicyFile     = "audit-policy.yaml"
	balancerConfigFile  = "haproxy.cfg"
)

const (
	// clientQPS and clientBurst lift the client throttles of the built-in controllers (20 to 50 requests a second), so
	// that they are never what a test waits for.
	clientQPS   = 1000
	clientBurst = 2000
)

// authentication lets anonymous requests see the health of the API server and nothing else.
const authentication = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /healthz
  - path: /livez
  - path: /readyz
`

// ManagerUser is the account that config/ installs for managers.
const ManagerUser = "system:serviceaccount:flotilla-system:flotilla-manager"

// auditPolicy records who writes what, without the content, and what managers read, so that it shows which rights they need.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: Metadata
  users: ["` + ManagerUser + `"]
- level: None
`

const schedulerConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: %q
  qps: %d
  burst: %d
leaderElection:
  leaderElect: false
`

// writeFiles writes everything that the programs of the cluster and its users read.
func (p Plan) writeFiles(cluster Cluster, machines []machine) error {
	ca, err := newAuthority(p.Name)
	if err != nil {
		return err
	}
	server, err := ca.server(time.Now().Add(validity))
	if err != nil {
		return err
	}
	tokenKey, err := signingKey()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		caCertFile:          ca.cert,
		caKeyFile:           ca.key,
		serverCertFile:      server.cert,
		serverKeyFile:       server.key,
		tokenKeyFile:        tokenKey,
		authenticationFile:  []byte(authentication),
		auditPolicyFile:     []byte(auditPolicy),
		schedulerConfigFile: fmt.Appendf(nil, schedulerConfig, p.file(schedulerKubeconfig), clientQPS, clientBurst),
	}
	if p.Topology.Balanced() {
		files[balancerConfigFile] = p.balancerConfig(cluster.Address, machines)
	}
	for name, content := range files {
		if err := writeFile(p.file(name), content); err != nil {
			return err
		}
	}
	return p.writeKubeconfigs(cluster, machines, ca)
}

func (p Plan) writeKubeconfigs(cluster Cluster, machines []machine, ca *authority) error {
	controllers := map[string]string{}
	for _, m := range machines {
		controllers[p.file(p.own(controllerManager, m)+".kubeconfig")] = m.controllerWay
	}
	users := []struct {
		name   string
		groups []string
		files  map[string]string
	}{
		{Admin, []string{AdminGroup}, map[string]string{
			cluster.Kubeconfig:        cluster.Address,
			cluster.ProxiedKubeconfig: p.ProxyAddress,
		}},
		{"system:kube-controller-manager", nil, controllers},
		{"system:kube-scheduler", nil, map[string]string{p.file(schedulerKubeconfig): cluster.Address}},
	}
	for _, user := range users {
		pair, err := ca.client(user.name, user.groups...)
		if err != nil {
			return err
		}
		auth := &clientcmdapi.AuthInfo{ClientCertificateData: pair.cert, ClientKeyData: pair.key}
		for file, address := range user.files {
			if err := writeKubeconfig(file, p.Name, address, ca.cert, auth); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteTokenKubeconfig writes a kubeconfig that reaches the cluster of another one at another address, with a token.
func WriteTokenKubeconfig(file, like, address, token string) error {
	known, err := clientcmd.LoadFromFile(like)
	if err != nil {
		return fmt.Errorf("reading %s: %w", like, err)
	}
	current, found := known.Contexts[known.CurrentContext]
	if !found {
		return fmt.Errorf("reading %s: it has no current context", like)
	}
	ca := known.Clusters[current.Cluster].CertificateAuthorityData
	return writeKubeconfig(file, current.Cluster, address, ca, &clientcmdapi.AuthInfo{Token: token})
}

func writeKubeconfig(file, cluster, address string, ca []byte, auth *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{Server: "https://" + address, CertificateAuthorityData: ca}
	config.AuthInfos[cluster] = auth
	config.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: cluster}
	config.CurrentContext = cluster
	content, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", file, err)
	}
	return writeFile(file, content)
}
