package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/controllers/cluster"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/kubectl"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// manager is who the controller acts as.
const manager = "system:serviceaccount:" + v1alpha1.SystemNamespace + ":flotilla-manager"

var bed = local.Bed{Options: local.Options{Members: 2, Nodes: 2}}

func TestMain(m *testing.M) {
	code := bed.Run(m)
	if running.stop != nil {
		running.stop()
	}
	os.Exit(code)
}

// shifted is a clock that a test may advance.
type shifted struct{ by atomic.Int64 }

func (s *shifted) Now() time.Time                  { return time.Now().Add(time.Duration(s.by.Load())) }
func (s *shifted) Since(t time.Time) time.Duration { return s.Now().Sub(t) }

var running struct {
	once  sync.Once
	err   error
	stop  func()
	clock shifted
}

// setUp returns the fleet, with the cluster controller at work on the host.
func setUp(t *testing.T) *local.Fleet {
	t.Helper()
	fleet := bed.Fleet(t)
	running.once.Do(func() { running.err = start(t, fleet) })
	if running.err != nil {
		t.Fatal(running.err)
	}
	return fleet
}

func start(t *testing.T, fleet *local.Fleet) error {
	t.Helper()
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}
	if err := client.IgnoreAlreadyExists(fleet.Host.Client().Create(t.Context(), system)); err != nil {
		return err
	}
	for _, folder := range []string{"crd", "rbac"} {
		cmd := exec.CommandContext(t.Context(), fleet.Program("kubectl"), "--kubeconfig", fleet.Host.Kubeconfig,
			"apply", "--server-side", "--force-conflicts", "-k", "../../../config/"+folder)
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("installing config/%s: %w\n%s", folder, err, output)
		}
	}
	var kubeSystem corev1.Namespace
	if err := fleet.Host.Client().Get(t.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, &kubeSystem); err != nil {
		return err
	}
	return startController(t, fleet.Host, string(kubeSystem.UID))
}

// startController runs the controller, the connections and the indexes, and nothing else of the manager.
func startController(t *testing.T, host *local.Cluster, hostUID string) error {
	t.Helper()
	config := host.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: manager}
	ctrl.SetLogger(logr.Discard())
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Logger: logr.Discard(), Scheme: host.Client().Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	if err := hostindex.Register(ctx, mgr.GetFieldIndexer()); err != nil {
		cancel()
		return err
	}
	pool := membercluster.NewPool(hostUID, interpreter.New())
	if err := mgr.Add(pool); err != nil {
		cancel()
		return err
	}
	err = cluster.Setup(mgr, cluster.Options{
		HostUID: hostUID, Connections: pool, Clock: &running.clock,
		Timings: cluster.Timings{
			ProbeInterval: 200 * time.Millisecond, ProbeTimeout: time.Second, CollectInterval: time.Second,
			SuccessThreshold: time.Second, FailureThreshold: time.Second,
		},
	})
	ended := make(chan error, 1)
	running.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "the manager ended with", err)
		}
	}
	go func() { ended <- mgr.Start(ctx) }()
	return err
}

// plugin runs a command of the kubectl plugin on the host and returns what it prints.
func plugin(t *testing.T, fleet *local.Fleet, args ...string) (string, error) {
	t.Helper()
	return pluginAs(t, fleet.Host.Kubeconfig, args...)
}

func pluginAs(t *testing.T, kubeconfig string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := kubectl.NewCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out})
	cmd.SetArgs(append(args, "--kubeconfig", kubeconfig))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// join lets a member join and takes it away after the test.
func join(t *testing.T, fleet *local.Fleet, name, kubeconfig string, args ...string) {
	t.Helper()
	output, err := plugin(t, fleet, append([]string{"join", name, "--cluster-kubeconfig", kubeconfig}, args...)...)
	if err != nil {
		t.Fatalf("join %s: %v\n%s", name, err, output)
	}
	t.Cleanup(func() { leave(t, fleet, name) })
}

// leave makes sure that a cluster is no member any more.
func leave(t *testing.T, fleet *local.Fleet, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), expect.Patience)
	defer cancel()
	c := fleet.Host.Client()
	member := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := client.IgnoreNotFound(c.Delete(ctx, member)); err != nil {
		t.Error(err)
	}
	for c.Get(ctx, client.ObjectKeyFromObject(member), member) == nil {
		select {
		case <-ctx.Done():
			t.Errorf("cluster %s does not leave: %v", name, member.Status.Conditions)
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ready is a check for a Cluster's condition Ready.
func ready(status metav1.ConditionStatus, reason, message string) func(*v1alpha1.Cluster) error {
	return func(c *v1alpha1.Cluster) error {
		return expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionReady, status, reason, message)
	}
}

func named(name string) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// kubeconfigWith is the kubeconfig of a cluster with another user's token; change may spoil it.
func kubeconfigWith(t *testing.T, cluster *local.Cluster, token string, change func(*clientcmdapi.Cluster)) []byte {
	t.Helper()
	config := cluster.RESTConfig()
	if err := rest.LoadTLSFiles(config); err != nil {
		t.Fatal(err)
	}
	server := &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	user := &clientcmdapi.AuthInfo{Token: token}
	if token == "" {
		user = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	}
	if change != nil {
		change(server)
	}
	data, err := clientcmd.Write(clientcmdapi.Config{
		CurrentContext: "c",
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "k", AuthInfo: "u"}},
		Clusters:       map[string]*clientcmdapi.Cluster{"k": server},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": user},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func fileWith(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tokenOf makes a ServiceAccount in a cluster, with the rules given, and returns its token. API servers judge by what they have
// watched of rules, so that it waits until all of them are in force.
func tokenOf(t *testing.T, cluster *local.Cluster, name string, rules ...rbacv1.PolicyRule) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: name + "-"}}
	expect.Create(t, cluster, account)
	if len(rules) > 0 {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: account.Name}, Rules: rules}
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: account.Name},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: account.Name}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: account.Name},
		}
		expect.Create(t, cluster, role, binding)
	}
	request := &authenticationv1.TokenRequest{}
	if err := cluster.Client().SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(cluster.RESTConfig())
	config.BearerToken = request.Status.Token
	expect.Eventually(t, "the rights of "+account.Name, func(ctx context.Context) error { return inForce(ctx, config, rules) })
	return request.Status.Token
}

// inForce says which of some rules a cluster does not act by.
func inForce(ctx context.Context, config *rest.Config, rules []rbacv1.PolicyRule) error {
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					if err := wantRight(ctx, config, verb, group, resource); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func wantRight(ctx context.Context, config *rest.Config, verb, group, resource string) error {
	allowed, err := may(ctx, config, verb, group, resource)
	if err == nil && !allowed {
		err = fmt.Errorf("to %s %s is not allowed", verb, resource)
	}
	return err
}

// may asks a cluster whether somebody may do something in the namespace default.
func may(ctx context.Context, config *rest.Config, verb, group, resource string) (bool, error) {
	c, err := client.New(config, client.Options{})
	if err != nil {
		return false, err
	}
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Subresource: subresource, Namespace: "default"},
	}}
	if err := c.Create(ctx, review); err != nil {
		return false, fmt.Errorf("asking whether to %s %s is allowed: %w", verb, resource, err)
	}
	return review.Status.Allowed, nil
}
