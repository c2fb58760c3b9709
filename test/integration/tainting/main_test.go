package tainting

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/controllers/tainting"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	posts "github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// manager is who the controller acts as.
const manager = "system:serviceaccount:" + v1alpha1.SystemNamespace + ":flotilla-manager"

// delay is how long a cluster must have been lost until it gets the taint that evicts.
const delay = 2 * time.Second

// The fleet of these tests is a host alone.
var bed local.Bed

func TestMain(m *testing.M) {
	code := bed.Run(m)
	if running.stop != nil {
		running.stop()
	}
	os.Exit(code)
}

// board is what members report; the tests post on it.
var board = posts.NewBoard()

var running struct {
	once sync.Once
	err  error
	stop func()
}

// setUp returns the host, with the tainting controller at work and no cluster.
func setUp(t *testing.T) *local.Cluster {
	t.Helper()
	fleet := bed.Fleet(t)
	running.once.Do(func() { running.err = start(t, fleet) })
	if running.err != nil {
		t.Fatal(running.err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), expect.Patience)
		defer cancel()
		for _, kind := range []client.Object{&v1alpha1.Cluster{}, &v1alpha1.ClusterTaintPolicy{}} {
			if err := fleet.Host.Client().DeleteAllOf(ctx, kind); err != nil {
				t.Error(err)
			}
		}
	})
	return fleet.Host
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
	wait := exec.CommandContext(t.Context(), fleet.Program("kubectl"), "--kubeconfig", fleet.Host.Kubeconfig,
		"wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	if output, err := wait.CombinedOutput(); err != nil {
		return fmt.Errorf("waiting for the kinds: %w\n%s", err, output)
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
	err = tainting.Setup(mgr, tainting.Options{Failover: true, Delay: delay, Limits: stampede.DefaultLimits(), Board: board})
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

// join makes Clusters that are Ready.
func join(t *testing.T, host *local.Cluster, names ...string) {
	t.Helper()
	for _, name := range names {
		expect.Create(t, host, named(name))
		report(t, host, name, metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	}
}

// report says how a cluster is, in the name of the cluster controller.
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
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// has is a check for a Cluster's taints, written as key=value:effect, in any order. The manager's own must have a time.
func has(want ...string) func(*v1alpha1.Cluster) error {
	return func(c *v1alpha1.Cluster) error {
		var got []string
		for _, taint := range c.Spec.Taints {
			got = append(got, fmt.Sprintf("%s=%s:%s", taint.Key, taint.Value, taint.Effect))
			if v1alpha1.IsHealthTaint(taint.Key) && taint.TimeAdded == nil {
				return fmt.Errorf("taint %s has no time", taint.Key)
			}
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(want))
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("taints (-want +got):\n%s", diff)
		}
		return nil
	}
}

// says is a check for a Cluster's condition Tainted; without a reason, for none.
func says(reason string) func(*v1alpha1.Cluster) error {
	return func(c *v1alpha1.Cluster) error {
		if reason != "" {
			return expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionTainted, metav1.ConditionTrue, reason, "")
		}
		if slices.ContainsFunc(c.Status.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionTainted }) {
			return fmt.Errorf("the condition Tainted is still there")
		}
		return nil
	}
}
