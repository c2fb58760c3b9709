package memberprobe

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: SERVER}}]
users: [{name: u, user: {USER}}]
`

func kubeconfigWith(server, user string) map[string][]byte {
	text := strings.NewReplacer("SERVER", server, "USER", user).Replace(kubeconfig)
	return map[string][]byte{v1alpha1.KubeconfigKey: []byte(text)}
}

func secretWith(data map[string][]byte) *corev1.Secret { return &corev1.Secret{Data: data} }

func TestRESTConfigComesFromTheSecretAndTheCluster(t *testing.T) {
	bundle := pemOf(selfSigned(t, time.Hour))
	cases := map[string]struct {
		spec   v1alpha1.ClusterSpec
		secret map[string][]byte
		want   rest.Config
	}{
		"a token and a CA bundle": {
			spec:   v1alpha1.ClusterSpec{APIEndpoint: "https://member:6443"},
			secret: map[string][]byte{v1alpha1.TokenKey: []byte("t\n"), v1alpha1.CABundleKey: bundle},
			want:   rest.Config{Host: "https://member:6443", BearerToken: "t", QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: bundle}},
		},
		"a kubeconfig wins over the rest": {
			spec: v1alpha1.ClusterSpec{APIEndpoint: "https://other:6443"},
			secret: func() map[string][]byte {
				data := kubeconfigWith("https://member:6443", "token: k")
				data[v1alpha1.TokenKey] = []byte("t")
				return data
			}(),
			want: rest.Config{Host: "https://member:6443", BearerToken: "k", QPS: -1},
		},
		"without verification the bundle is not used": {
			spec:   v1alpha1.ClusterSpec{APIEndpoint: "https://member:6443", InsecureSkipTLSVerification: true},
			secret: map[string][]byte{v1alpha1.TokenKey: []byte("t"), v1alpha1.CABundleKey: bundle},
			want:   rest.Config{Host: "https://member:6443", BearerToken: "t", QPS: -1, TLSClientConfig: rest.TLSClientConfig{Insecure: true}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: tc.spec}
			got, err := RESTConfig(cluster, secretWith(tc.secret))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreUnexported(rest.Config{})); diff != "" {
				t.Errorf("RESTConfig() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRESTConfigSaysWhatIsMissingAndHowToFixIt(t *testing.T) {
	cases := map[string]struct {
		spec    v1alpha1.ClusterSpec
		secret  *corev1.Secret
		reason  string
		message string
	}{
		"no Secret": {
			reason: v1alpha1.ReasonCredentialsMissing, message: "the Secret flotilla-es-a/credentials does not exist: create it with the key",
		},
		"another Secret by name": {
			spec:   v1alpha1.ClusterSpec{SecretRef: &v1alpha1.CredentialsReference{Name: "mine"}},
			reason: v1alpha1.ReasonCredentialsMissing, message: "the Secret flotilla-es-a/mine does not exist",
		},
		"no key": {
			secret: secretWith(map[string][]byte{"config": []byte("x")}),
			reason: v1alpha1.ReasonCredentialsMissing, message: `has neither the key "kubeconfig" nor the key "token"`,
		},
		"no endpoint": {
			secret: secretWith(map[string][]byte{v1alpha1.TokenKey: []byte("t")}),
			reason: v1alpha1.ReasonEndpointMissing, message: "set spec.apiEndpoint",
		},
		"a bundle that is none": {
			spec:   v1alpha1.ClusterSpec{APIEndpoint: "https://member"},
			secret: secretWith(map[string][]byte{v1alpha1.TokenKey: []byte("t"), v1alpha1.CABundleKey: []byte("x")}),
			reason: v1alpha1.ReasonCredentialsInvalid, message: `the key "caBundle" of the Secret flotilla-es-a/credentials holds no PEM certificate`,
		},
		"a kubeconfig that is none": {
			secret: secretWith(map[string][]byte{v1alpha1.KubeconfigKey: []byte(": no")}),
			reason: v1alpha1.ReasonCredentialsInvalid, message: "cannot be read",
		},
		"a kubeconfig that runs a program": {
			secret: secretWith(kubeconfigWith("https://member", "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, interactiveMode: Never}")),
			reason: v1alpha1.ReasonCredentialsInvalid, message: "uses exec, which Flotilla does not run or read",
		},
		"a kubeconfig that reads files": {
			secret: secretWith(kubeconfigWith("https://member", "client-certificate: /c, client-key: /k, tokenFile: /t")),
			reason: v1alpha1.ReasonCredentialsInvalid, message: "uses client-certificate, client-key, tokenFile, which",
		},
		"a kubeconfig without TLS": {
			secret: secretWith(kubeconfigWith("http://member", "token: t")),
			reason: v1alpha1.ReasonCredentialsInvalid, message: "is not https",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: tc.spec}
			_, err := RESTConfig(cluster, tc.secret)
			var got *ReasonedError
			if !errors.As(err, &got) {
				t.Fatalf("RESTConfig() error = %v, want a *ReasonedError", err)
			}
			if got.Reason != tc.reason || !strings.Contains(got.Message, tc.message) {
				t.Errorf("RESTConfig() = %s: %s\nwant %s with %q", got.Reason, got.Message, tc.reason, tc.message)
			}
		})
	}
}

func TestRESTConfigPutsTheProxyOnTheWay(t *testing.T) {
	cluster := &v1alpha1.Cluster{Spec: v1alpha1.ClusterSpec{
		APIEndpoint: "https://member", ProxyURL: "http://proxy:3128", ProxyHeader: map[string]string{"X-Team": "shop"},
	}}
	config, err := RESTConfig(cluster, secretWith(map[string][]byte{v1alpha1.TokenKey: []byte("t")}))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := config.Proxy(&http.Request{})
	if err != nil || proxy.String() != "http://proxy:3128" {
		t.Errorf("Proxy() = %v, %v", proxy, err)
	}
	transport := &http.Transport{}
	config.WrapTransport(transport)
	if diff := cmp.Diff(http.Header{"X-Team": {"shop"}}, transport.ProxyConnectHeader); diff != "" {
		t.Errorf("the proxy's headers (-want +got):\n%s", diff)
	}
}
