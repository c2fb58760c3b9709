package eviction

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/controllers/eviction"
	asked "github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// manager is who the controller acts as.
const manager = "system:serviceaccount:" + v1alpha1.SystemNamespace + ":flotilla-manager"

const (
	// namespace is where the bindings are.
	namespace = "shop"
	// patience is how long the automatic taints are tolerated by default.
	patience = 2 * time.Second
)

// The fleet of these tests is a host alone.
var bed local.Bed

func TestMain(m *testing.M) {
	code := bed.Run(m)
	if running.stop != nil {
		running.stop()
	}
	os.Exit(code)
}

var running struct {
	once sync.Once
	err  error
	stop func()
}

// setUp returns the host, with the eviction controller at work, the members one to three and no binding.
func setUp(t *testing.T) *local.Cluster {
	t.Helper()
	fleet := bed.Fleet(t)
	running.once.Do(func() { running.err = start(t, fleet) })
	if running.err != nil {
		t.Fatal(running.err)
	}
	for _, name := range []string{"one", "two", "three"} {
		expect.Create(t, fleet.Host, named(name))
		report(t, fleet.Host, name, metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), expect.Patience)
		defer cancel()
		for _, kind := range []client.Object{&v1alpha1.Cluster{}, &v1alpha1.ResourceBinding{}} {
			if err := fleet.Host.Client().DeleteAllOf(ctx, kind, client.InNamespace(scopeOf(kind))); err != nil {
				t.Error(err)
			}
		}
	})
	return fleet.Host
}

func scopeOf(kind client.Object) string {
	if _, global := kind.(*v1alpha1.Cluster); global {
		return ""
	}
	return namespace
}

func start(t *testing.T, fleet *local.Fleet) error {
	t.Helper()
	for _, name := range []string{v1alpha1.SystemNamespace, namespace} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreAlreadyExists(fleet.Host.Client().Create(t.Context(), ns)); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "--force-conflicts", "-k", "../../../config/crd"},
		{"apply", "--server-side", "--force-conflicts", "-k", "../../../config/rbac"},
		{"wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"},
	} {
		cmd := exec.CommandContext(t.Context(), fleet.Program("kubectl"), append([]string{"--kubeconfig", fleet.Host.Kubeconfig}, args...)...)
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %v: %w\n%s", args, err, output)
		}
	}
	return startController(t, fleet.Host)
}

func startController(t *testing.T, host *local.Cluster) error {
	t.Helper()
	config := host.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: manager}
	ctrl.SetLogger(logr.Discard())
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Logger: logr.Discard(), Scheme: host.Client().Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	running.stop = cancel
	if err := hostindex.Register(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	err = eviction.Setup(mgr, eviction.Options{Settings: asked.Settings{
		Failover: true, Graceful: true, Toleration: patience, Limits: stampede.DefaultLimits(),
	}})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	running.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "the manager ended with", err)
		}
	}
	go func() { ended <- mgr.Start(ctx) }()
	return nil
}

// report says how a member is, in the name of the cluster controller.
func report(t *testing.T, host *local.Cluster, name string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	cluster := named(name)
	if err := host.Client().Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster); err != nil {
		t.Fatal(err)
	}
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	err := objectpatch.ApplyStatus(t.Context(), host.Client(), cluster, objectpatch.ClusterOwner, &v1alpha1.ClusterStatus{
		KubernetesVersion: "v1.37.1", Probe: &v1alpha1.ProbeStatus{Outcome: status, Since: now},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: "so it is", LastTransitionTime: now}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func named(name string) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{APIEndpoint: "https://" + name + ".example.com"}}
}
