package local

import (
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
)

// CertificateUntil is a kubeconfig with the address behind which the network can be cut, and a client certificate of an
// administrator by that name, good until a moment.
func (f *Fleet) CertificateUntil(cluster *Cluster, user string, until time.Time) ([]byte, error) {
	cert, key, err := controlplane.ClientCertificate(f.folder.path(filepath.Join(clustersDir, cluster.Name)), user, controlplane.AdminGroup, until)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.LoadFromFile(cluster.ProxiedKubeconfig)
	if err != nil {
		return nil, err
	}
	config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	return clientcmd.Write(*config)
}

// TokenUntil is a token of a ServiceAccount that a cluster takes until a moment, and for ten seconds more when it took it lately.
func (f *Fleet) TokenUntil(cluster *Cluster, account *corev1.ServiceAccount, until time.Time) (string, error) {
	return controlplane.AccountToken(f.folder.path(filepath.Join(clustersDir, cluster.Name)), account, until)
}
