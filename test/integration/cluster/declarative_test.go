package cluster

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// declare applies a Cluster as a user would, and takes it away after the test.
func declare(t *testing.T, fleet *local.Fleet, name string, spec v1alpha1.ClusterSpec) {
	t.Helper()
	cluster := named(name)
	cluster.Spec = spec
	expect.Create(t, fleet.Host, cluster)
	t.Cleanup(func() { leave(t, fleet, name) })
}

// give creates the credentials Secret as soon as the manager has made its namespace.
func give(t *testing.T, fleet *local.Fleet, name string, data map[string][]byte) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ExecutionNamespace(name)}}
	expect.Seen(t, fleet.Host, namespace, func(n *corev1.Namespace) error {
		if n.Labels[v1alpha1.ClusterLabel] != name {
			return fmt.Errorf("labels: %v", n.Labels)
		}
		return nil
	})
	expect.Create(t, fleet.Host, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: v1alpha1.CredentialsSecretName}, Data: data,
	})
}

func TestAClusterMayBeDeclared(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member2")
	declare(t, fleet, "rome", v1alpha1.ClusterSpec{})
	expect.Seen(t, fleet.Host, named("rome"), ready(metav1.ConditionFalse, v1alpha1.ReasonCredentialsMissing,
		`the Secret flotilla-es-rome/credentials does not exist: create it with the key "kubeconfig", or with the keys "token" and "caBundle"`))
	give(t, fleet, "rome", map[string][]byte{v1alpha1.KubeconfigKey: kubeconfigWith(t, member, "", nil)})
	rome := named("rome")
	expect.Seen(t, fleet.Host, rome, ready(metav1.ConditionTrue, v1alpha1.ReasonClusterReady, ""))
	if rome.Spec.ID == "" {
		t.Error("the Cluster has no id")
	}

	t.Run("but not twice", func(t *testing.T) {
		declare(t, fleet, "milan", v1alpha1.ClusterSpec{})
		give(t, fleet, "milan", map[string][]byte{v1alpha1.KubeconfigKey: kubeconfigWith(t, member, "", nil)})
		milan := named("milan")
		expect.Seen(t, fleet.Host, milan, ready(metav1.ConditionFalse, v1alpha1.ReasonAlreadyJoined,
			`this cluster has already joined as "rome": delete one of the two Clusters`))
		if milan.Spec.ID != "" {
			t.Error("the second Cluster took the id")
		}
	})
}

func TestADeclaredClusterSaysWhatIsWrong(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member2")
	config := member.RESTConfig()
	if err := rest.LoadTLSFiles(config); err != nil {
		t.Fatal(err)
	}
	host := fleet.Host.RESTConfig()
	if err := rest.LoadTLSFiles(host); err != nil {
		t.Fatal(err)
	}
	deaf := func(c *clientcmdapi.Cluster) { c.Server = "https://127.0.0.1:1" }
	cases := map[string]struct {
		spec    v1alpha1.ClusterSpec
		secret  map[string][]byte
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		"no-endpoint": {
			secret: map[string][]byte{v1alpha1.TokenKey: []byte("t")},
			reason: v1alpha1.ReasonEndpointMissing, message: "neither spec.apiEndpoint nor a kubeconfig in the Secret flotilla-es-no-endpoint/credentials names the member's API server: set spec.apiEndpoint",
		},
		"no-key": {
			spec:   v1alpha1.ClusterSpec{APIEndpoint: config.Host},
			secret: map[string][]byte{"password": []byte("x")},
			reason: v1alpha1.ReasonCredentialsMissing, message: `the Secret flotilla-es-no-key/credentials has neither the key "kubeconfig" nor the key "token"`,
		},
		"no-kubeconfig": {
			secret: map[string][]byte{v1alpha1.KubeconfigKey: []byte("users: 7")},
			reason: v1alpha1.ReasonCredentialsInvalid, message: "the kubeconfig in the Secret flotilla-es-no-kubeconfig/credentials cannot be read",
		},
		"wrong-ca": {
			spec:   v1alpha1.ClusterSpec{APIEndpoint: config.Host},
			secret: map[string][]byte{v1alpha1.TokenKey: []byte("t"), v1alpha1.CABundleKey: host.CAData},
			reason: v1alpha1.ReasonCertificateInvalid, message: "certificate signed by unknown authority",
		},
		"wrong-token": {
			spec:   v1alpha1.ClusterSpec{APIEndpoint: config.Host},
			secret: map[string][]byte{v1alpha1.TokenKey: []byte("t"), v1alpha1.CABundleKey: config.CAData},
			reason: v1alpha1.ReasonUnauthorized, message: "refused the credentials",
		},
		"no-rights": {
			spec:   v1alpha1.ClusterSpec{APIEndpoint: config.Host},
			secret: map[string][]byte{v1alpha1.TokenKey: []byte(tokenOf(t, member, "nobody")), v1alpha1.CABundleKey: config.CAData},
			reason: v1alpha1.ReasonForbidden, message: `the credentials lack a right that Flotilla needs in the member (reading the namespace kube-system)`,
		},
		"no-answer": {
			secret: map[string][]byte{v1alpha1.KubeconfigKey: kubeconfigWith(t, member, "", deaf)},
			reason: v1alpha1.ReasonClusterNotReachable, message: "https://127.0.0.1:1 does not answer",
		},
		"the-host": {
			secret: map[string][]byte{v1alpha1.KubeconfigKey: kubeconfigWith(t, fleet.Host, "", nil)},
			reason: v1alpha1.ReasonIsHost, message: "the endpoint is the host cluster itself, which cannot be a member",
		},
		"pull": {
			spec: v1alpha1.ClusterSpec{SyncMode: v1alpha1.Pull}, status: metav1.ConditionUnknown,
			reason: v1alpha1.ReasonSyncModeNotSupported, message: "syncMode Pull has no effect in this version",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits some seconds for a namespace to go
			declare(t, fleet, name, tc.spec)
			if tc.secret != nil {
				give(t, fleet, name, tc.secret)
			}
			if tc.status == "" {
				tc.status = metav1.ConditionFalse
			}
			expect.Seen(t, fleet.Host, named(name), ready(tc.status, tc.reason, tc.message))
			expect.Delete(t, fleet.Host, named(name))
			expect.Gone(t, fleet.Host, named(name)) // at once: nothing can be in the member
		})
	}
}
