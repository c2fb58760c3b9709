package memberprobe

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// SecretKey is where the credentials of a Cluster are kept: namespace and name.
func SecretKey(cluster *v1alpha1.Cluster) (namespace, name string) {
	name = v1alpha1.CredentialsSecretName
	if cluster.Spec.SecretRef != nil {
		name = cluster.Spec.SecretRef.Name
	}
	return v1alpha1.ExecutionNamespace(cluster.Name), name
}

// RESTConfig makes a member's connection from its Cluster and credentials Secret; secret is nil when it
// does not exist. A kubeconfig in the Secret wins over its other keys and over spec.apiEndpoint. Errors are
// of type *ReasonedError. The connection is not throttled on this side.
func RESTConfig(cluster *v1alpha1.Cluster, secret *corev1.Secret) (*rest.Config, error) {
	namespace, name := SecretKey(cluster)
	where := namespace + "/" + name
	if secret == nil {
		return nil, reasoned(v1alpha1.ReasonCredentialsMissing,
			"the Secret %s does not exist: create it with the key %q, or with the keys %q and %q",
			where, v1alpha1.KubeconfigKey, v1alpha1.TokenKey, v1alpha1.CABundleKey)
	}
	config, err := baseConfig(cluster, secret, where)
	if err != nil {
		return nil, err
	}
	if config.Host == "" {
		return nil, reasoned(v1alpha1.ReasonEndpointMissing,
			"neither spec.apiEndpoint nor a kubeconfig in the Secret %s names the member's API server: set spec.apiEndpoint", where)
	}
	if !strings.HasPrefix(config.Host, "https://") {
		return nil, reasoned(v1alpha1.ReasonCredentialsInvalid,
			"the API server %s is not https: credentials are only sent over TLS", config.Host)
	}
	config.QPS = -1 // the member's priority and fairness does the throttling
	if cluster.Spec.InsecureSkipTLSVerification {
		config.TLSClientConfig.Insecure = true
		config.TLSClientConfig.CAData = nil
	}
	return config, addProxy(config, cluster.Spec)
}

func baseConfig(cluster *v1alpha1.Cluster, secret *corev1.Secret, where string) (*rest.Config, error) {
	if kubeconfig := secret.Data[v1alpha1.KubeconfigKey]; len(kubeconfig) > 0 {
		return fromKubeconfig(kubeconfig, where)
	}
	token := strings.TrimSpace(string(secret.Data[v1alpha1.TokenKey]))
	if token == "" {
		return nil, reasoned(v1alpha1.ReasonCredentialsMissing,
			"the Secret %s has neither the key %q nor the key %q", where, v1alpha1.KubeconfigKey, v1alpha1.TokenKey)
	}
	bundle := secret.Data[v1alpha1.CABundleKey]
	if len(bundle) > 0 && !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		return nil, reasoned(v1alpha1.ReasonCredentialsInvalid,
			"the key %q of the Secret %s holds no PEM certificate", v1alpha1.CABundleKey, where)
	}
	return &rest.Config{
		Host: cluster.Spec.APIEndpoint, BearerToken: token,
		TLSClientConfig: rest.TLSClientConfig{CAData: bundle},
	}, nil
}

// fromKubeconfig reads a kubeconfig that a user gave. What would make the manager run a program or read a
// file of its own is refused.
func fromKubeconfig(data []byte, where string) (*rest.Config, error) {
	kubeconfig, err := clientcmd.Load(data)
	if err != nil {
		return nil, &ReasonedError{Reason: v1alpha1.ReasonCredentialsInvalid, Err: err,
			Message: fmt.Sprintf("the kubeconfig in the Secret %s cannot be read: %v", where, err)}
	}
	if refused := refusedFields(kubeconfig); len(refused) > 0 {
		return nil, reasoned(v1alpha1.ReasonCredentialsInvalid,
			"the kubeconfig in the Secret %s uses %s, which Flotilla does not run or read: put the token, or the certificate and key, into the kubeconfig itself (kubectl config view --flatten --minify)",
			where, strings.Join(refused, ", "))
	}
	config, err := clientcmd.NewDefaultClientConfig(*kubeconfig, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, &ReasonedError{Reason: v1alpha1.ReasonCredentialsInvalid, Err: err,
			Message: fmt.Sprintf("the kubeconfig in the Secret %s cannot be used: %v", where, err)}
	}
	return config, nil
}

// refusedFields names what a kubeconfig uses and may not, sorted.
func refusedFields(kubeconfig *clientcmdapi.Config) []string {
	used := map[string]bool{}
	for _, user := range kubeconfig.AuthInfos {
		used["exec"] = used["exec"] || user.Exec != nil
		used["auth-provider"] = used["auth-provider"] || user.AuthProvider != nil
		used["tokenFile"] = used["tokenFile"] || user.TokenFile != ""
		used["client-certificate"] = used["client-certificate"] || user.ClientCertificate != ""
		used["client-key"] = used["client-key"] || user.ClientKey != ""
	}
	for _, server := range kubeconfig.Clusters {
		used["certificate-authority"] = used["certificate-authority"] || server.CertificateAuthority != ""
	}
	var refused []string
	for field, yes := range used {
		if yes {
			refused = append(refused, field)
		}
	}
	slices.Sort(refused)
	return refused
}

// addProxy puts the Cluster's proxy on the way to the member.
func addProxy(config *rest.Config, spec v1alpha1.ClusterSpec) error {
	if spec.ProxyURL == "" {
		return nil
	}
	proxy, err := url.Parse(spec.ProxyURL)
	if err != nil {
		return &ReasonedError{Reason: v1alpha1.ReasonEndpointMissing, Err: err,
			Message: fmt.Sprintf("spec.proxyURL cannot be parsed: %v", err)}
	}
	config.Proxy = http.ProxyURL(proxy)
	if len(spec.ProxyHeader) == 0 {
		return nil
	}
	headers := http.Header{}
	for name, value := range spec.ProxyHeader {
		headers.Set(name, value)
	}
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		// A transport with a proxy function is never shared, so that its headers may be set in place.
		if transport, ok := rt.(*http.Transport); ok {
			transport.ProxyConnectHeader = headers
		}
		return rt
	})
	return nil
}
