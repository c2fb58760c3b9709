package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

func TestJoiningIsRefusedWithAReason(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member1")
	wrongCA := func(c *clientcmdapi.Cluster) {
		config := fleet.Host.RESTConfig()
		if err := rest.LoadTLSFiles(config); err != nil {
			t.Fatal(err)
		}
		c.CertificateAuthorityData = config.CAData
	}
	deaf := func(c *clientcmdapi.Cluster) { c.Server = "https://127.0.0.1:1" }
	look := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}}
	cases := map[string]struct {
		host string
		args []string
		want []string
	}{
		"without saying which": {
			args: []string{"join", "a"}, want: []string{"say which cluster joins, with --cluster-kubeconfig or --cluster-context"},
		},
		"with a name that is none": {
			args: []string{"join", "Not_A_Name", "--cluster-kubeconfig", member.Kubeconfig}, want: []string{`"Not_A_Name" cannot be the name of a cluster`, "lower case"},
		},
		"with unknown permissions": {
			args: []string{"join", "a", "--cluster-kubeconfig", member.Kubeconfig, "--permissions", "all"}, want: []string{`unknown permissions "all": use workloads or cluster-admin`},
		},
		"when it is the host itself": {
			args: []string{"join", "a", "--cluster-kubeconfig", fleet.Host.Kubeconfig}, want: []string{"the cluster to join is the host itself: point --cluster-kubeconfig or --cluster-context at another cluster"},
		},
		"when it does not answer": {
			args: []string{"join", "a", "--cluster-kubeconfig", fileWith(t, kubeconfigWith(t, member, "", deaf))},
			want: []string{"the cluster to join, https://127.0.0.1:1, does not answer", "connection refused", "check the server's address"},
		},
		"when it does not know the user": {
			args: []string{"join", "a", "--cluster-kubeconfig", fileWith(t, kubeconfigWith(t, member, "no-token", nil))},
			want: []string{"refuses the credentials of the kubeconfig", "log in again"},
		},
		"when its certificate does not check": {
			args: []string{"join", "a", "--cluster-kubeconfig", fileWith(t, kubeconfigWith(t, member, "", wrongCA))},
			want: []string{"does not check: correct certificate-authority-data in its kubeconfig", "unknown authority"},
		},
		"when the user may not even look": {
			args: []string{"join", "a", "--cluster-kubeconfig", fileWith(t, kubeconfigWith(t, member, tokenOf(t, member, "nobody"), nil))},
			want: []string{"may not look at the cluster to join", "use the kubeconfig of a cluster administrator"},
		},
		"when the user's rights do not suffice": {
			args: []string{"join", "a", "--cluster-kubeconfig", fileWith(t, kubeconfigWith(t, member, tokenOf(t, member, "looker", look), nil))},
			want: []string{"lacks rights in the cluster to join: create namespaces, create clusterroles, create clusterrolebindings, create serviceaccounts, create serviceaccounts/token", "cluster administrator"},
		},
		"when Flotilla is not installed": {
			host: fleet.Member("member2").Kubeconfig,
			args: []string{"join", "a", "--cluster-kubeconfig", member.Kubeconfig},
			want: []string{"the host cluster does not know Flotilla", "kubectl apply --server-side -k config/default"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			host := tc.host
			if host == "" {
				host = fleet.Host.Kubeconfig
			}
			_, err := pluginAs(t, host, tc.args...)
			if err == nil {
				t.Fatal("it joined")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message is\n%v\nand lacks %q", err, want)
				}
			}
			untouched(t, member)
		})
	}
}

// untouched checks that a member holds nothing of Flotilla.
func untouched(t *testing.T, member *local.Cluster) {
	t.Helper()
	for _, obj := range accessObjects() {
		err := member.Client().Get(t.Context(), client.ObjectKeyFromObject(obj), obj)
		if !apierrors.IsNotFound(err) {
			t.Errorf("%T %s in %s: %v, want it not to be there", obj, obj.GetName(), member.Name, err)
		}
	}
}

// accessObjects name what joining puts into a member.
func accessObjects() []client.Object {
	inSystem := metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: memberaccess.Name}
	return []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: memberaccess.Name}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: memberaccess.Name}},
		&rbacv1.Role{ObjectMeta: inSystem}, &rbacv1.RoleBinding{ObjectMeta: inSystem},
		&corev1.ServiceAccount{ObjectMeta: inSystem},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}},
	}
}

func TestAClusterThatJoinsIsKnown(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member1")
	join(t, fleet, "berlin", member.Kubeconfig, "--region", "eu", "--provider", "p", "--zones", "a,b", "--labels", "tier=gold")
	var kubeSystem corev1.Namespace
	if err := member.Client().Get(t.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, &kubeSystem); err != nil {
		t.Fatal(err)
	}
	got := named("berlin")
	expect.Seen(t, fleet.Host, got, func(c *v1alpha1.Cluster) error {
		if c.Status.NodeSummary == nil || c.Status.NodeSummary.ReadyNum != 2 {
			return fmt.Errorf("nodes: %v", c.Status.NodeSummary)
		}
		return expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionAPIsComplete, metav1.ConditionTrue, v1alpha1.ReasonDiscovered, "")
	})
	want := v1alpha1.ClusterSpec{
		ID: string(kubeSystem.UID), SyncMode: v1alpha1.Push, APIEndpoint: member.RESTConfig().Host, Region: "eu", Provider: "p", Zones: []string{"a", "b"},
		SecretRef: &v1alpha1.CredentialsReference{Name: "credentials"}, DeletionPolicy: v1alpha1.RemoveObjects,
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if got.Labels["tier"] != "gold" || !strings.HasPrefix(got.Status.KubernetesVersion, "v1.") {
		t.Errorf("labels %v, version %q", got.Labels, got.Status.KubernetesVersion)
	}
	if cpu := got.Status.ResourceSummary.Allocatable.Cpu(); cpu.IsZero() {
		t.Error("no allocatable CPU")
	}

	t.Run("and costs no writes when nothing happens", func(t *testing.T) { costsNothing(t, fleet.Host, got) })
	t.Run("and listed", func(t *testing.T) {
		output, err := plugin(t, fleet, "get", "clusters", "berlin")
		fields := strings.Fields(output)
		if err != nil || len(fields) < 13 {
			t.Fatalf("%v\n%s", err, output)
		}
		wanted := []string{"berlin", "True", "ClusterReady", "Push", got.Status.KubernetesVersion, "2/2"}
		if diff := cmp.Diff(wanted, fields[7:13]); diff != "" {
			t.Errorf("the row (-want +got):\n%s", diff)
		}
	})
	t.Run("and joins under no other name", func(t *testing.T) {
		_, err := plugin(t, fleet, "join", "paris", "--cluster-kubeconfig", member.Kubeconfig)
		requireMessage(t, err, `the cluster has already joined as "berlin": go on with that name, or run kubectl flotilla unjoin berlin first`)
	})
	t.Run("and its name is taken", func(t *testing.T) {
		_, err := plugin(t, fleet, "join", "berlin", "--cluster-kubeconfig", fleet.Member("member2").Kubeconfig)
		requireMessage(t, err, fmt.Sprintf(`the name "berlin" is taken by the cluster at %s: choose another name`, member.RESTConfig().Host))
		untouched(t, fleet.Member("member2"))
	})
	t.Run("and may join again to change its rights", func(t *testing.T) {
		output, err := plugin(t, fleet, "join", "berlin", "--cluster-kubeconfig", member.Kubeconfig, "--permissions", "cluster-admin")
		if err != nil || !strings.Contains(output, "had joined already") {
			t.Errorf("%v\n%s", err, output)
		}
		awaitAllowed(t, fleet, "berlin", "create", rbacv1.GroupName, "clusterroles")
	})
}

// costsNothing waits for fifteen probes and three collections without a write to a Cluster. A probe that a busy machine lets fail is
// something that happens: then the next ones count.
func costsNothing(t *testing.T, host *local.Cluster, cluster *v1alpha1.Cluster) {
	t.Helper()
	expect.Eventually(t, "three seconds without a write", func(ctx context.Context) error {
		before := cluster.ResourceVersion
		pass(ctx, 3*time.Second)
		if err := host.Client().Get(ctx, client.ObjectKeyFromObject(cluster), cluster); err != nil {
			return err
		}
		if cluster.ResourceVersion != before {
			return fmt.Errorf("the Cluster was written: %v", cluster.ManagedFields)
		}
		return nil
	})
}

// pass lets time go by in which nothing is waited for.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func requireMessage(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is\n%v\nand lacks %q", err, want)
	}
}

func TestTheDefaultRightsAreNarrow(t *testing.T) {
	fleet := setUp(t)
	join(t, fleet, "berlin", fleet.Member("member1").Kubeconfig)
	cases := map[string]struct {
		verb, group, resource string
		want                  bool
	}{
		"workloads may be written":     {"patch", "apps", "deployments", true},
		"secrets may be written":       {"patch", "", "secrets", true},
		"namespaces may be created":    {"create", "", "namespaces", true},
		"but not deleted":              {"delete", "", "namespaces", false},
		"nodes may be read":            {"list", "", "nodes", true},
		"but not written":              {"patch", "", "nodes", false},
		"rights may not be handed out": {"create", rbacv1.GroupName, "clusterrolebindings", false},
		"nobody may be impersonated":   {"impersonate", "", "users", false},
		"no shell may be opened":       {"create", "", "pods/exec", false},
		"no kind may be defined":       {"create", "apiextensions.k8s.io", "customresourcedefinitions", false},
	}
	for _, tc := range cases { // what is not allowed means something when it is known what is
		if tc.want {
			awaitAllowed(t, fleet, "berlin", tc.verb, tc.group, tc.resource)
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := may(t.Context(), credentialsOf(t, fleet, "berlin"), tc.verb, tc.group, tc.resource)
			if err != nil || got != tc.want {
				t.Errorf("%s %s: %v, %v, want %v", tc.verb, tc.resource, got, err, tc.want)
			}
		})
	}
}

// awaitAllowed waits until a member lets Flotilla do something, with the credentials that its Cluster has.
func awaitAllowed(t *testing.T, fleet *local.Fleet, name, verb, group, resource string) {
	t.Helper()
	config := credentialsOf(t, fleet, name)
	expect.Eventually(t, "the right of "+name, func(ctx context.Context) error { return wantRight(ctx, config, verb, group, resource) })
}

// credentialsOf are those that a Cluster has.
func credentialsOf(t *testing.T, fleet *local.Fleet, name string) *rest.Config {
	t.Helper()
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: v1alpha1.ExecutionNamespace(name), Name: v1alpha1.CredentialsSecretName}
	if err := fleet.Host.Client().Get(t.Context(), key, &secret); err != nil {
		t.Fatal(err)
	}
	cluster := named(name)
	if err := fleet.Host.Client().Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster); err != nil {
		t.Fatal(err)
	}
	return &rest.Config{
		Host: cluster.Spec.APIEndpoint, BearerToken: string(secret.Data[v1alpha1.TokenKey]),
		TLSClientConfig: rest.TLSClientConfig{CAData: secret.Data[v1alpha1.CABundleKey]},
	}
}

func TestAJoinThatFailsHalfwayTakesBackWhatItDid(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member2")
	halfway := tokenOf(t, fleet.Host, "halfway",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "create", "delete"}},
		rbacv1.PolicyRule{APIGroups: []string{"flotilla.dev"}, Resources: []string{"clusters"}, Verbs: []string{"list"}})
	output, err := pluginAs(t, fileWith(t, kubeconfigWith(t, fleet.Host, halfway, nil)), "join", "madrid", "--cluster-kubeconfig", member.Kubeconfig)
	requireMessage(t, err, "storing the credentials: applying the Secret flotilla-es-madrid/credentials")
	if !strings.Contains(output, "what was created is taken back; the same command may be run again") {
		t.Errorf("the output is\n%s", output)
	}
	for _, obj := range accessObjects() {
		expect.Gone(t, member, obj)
	}
	expect.Gone(t, fleet.Host, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ExecutionNamespace("madrid")}})
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	fleet := setUp(t)
	join(t, fleet, "berlin", fleet.Member("member1").Kubeconfig)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.ExecutionNamespace("berlin"), Name: v1alpha1.CredentialsSecretName}}
	expect.Seen(t, fleet.Host, secret, expect.Present)
	first := string(secret.Data[v1alpha1.TokenKey])
	t.Log("the right to store a token is gone, as when the installation was moved: the manager takes it anew")
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: v1alpha1.CredentialsRole}}
	if err := client.IgnoreNotFound(fleet.Host.Client().Delete(t.Context(), binding)); err != nil {
		t.Fatal(err)
	}
	running.clock.by.Store(int64(17 * time.Hour)) // seven of twenty-four hours are left
	t.Cleanup(func() { running.clock.by.Store(0) })
	expect.Seen(t, fleet.Host, secret, func(s *corev1.Secret) error {
		if string(s.Data[v1alpha1.TokenKey]) == first {
			return errors.New("the token is the old one")
		}
		return nil
	})
	expires, err := time.Parse(time.RFC3339, secret.Annotations[v1alpha1.TokenExpiryAnnotation])
	if err != nil || time.Until(expires) < 23*time.Hour {
		t.Errorf("the new token ends at %v (%v)", expires, err)
	}
	awaitAllowed(t, fleet, "berlin", "patch", "apps", "deployments")
}

func TestASilentMemberIsNoLongerReadyAndComesBack(t *testing.T) {
	fleet := setUp(t)
	join(t, fleet, "berlin", fleet.Member("member1").ProxiedKubeconfig)
	if err := fleet.Cut(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.Heal(context.Background(), "member1") })
	expect.Seen(t, fleet.Host, named("berlin"), ready(metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable, ""))
	if err := fleet.Heal(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	expect.Seen(t, fleet.Host, named("berlin"), ready(metav1.ConditionTrue, v1alpha1.ReasonClusterReady, ""))
}
