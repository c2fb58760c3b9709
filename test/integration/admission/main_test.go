package admission

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/admission"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// The fleet of these tests is a host alone.
var bed local.Bed

// started is when the tests began: older entries of a borrowed fleet's audit log say nothing about them.
var started = time.Now()

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }

var installation struct {
	once sync.Once
	err  error
}

// host returns the host, with the admission policies in force.
func host(t *testing.T) *local.Cluster {
	t.Helper()
	fleet := bed.Fleet(t)
	installation.once.Do(func() { installation.err = install(t, fleet) })
	if installation.err != nil {
		t.Fatal(installation.err)
	}
	return fleet.Host
}

// install applies what config/ has besides the policies, lets the manager's installer write those, and waits
// until the API server acts on them.
func install(t *testing.T, fleet *local.Fleet) error {
	t.Helper()
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}
	if err := client.IgnoreAlreadyExists(fleet.Host.Client().Create(t.Context(), system)); err != nil {
		return fmt.Errorf("creating the namespace of the manager: %w", err)
	}
	for _, folder := range []string{"crd", "rbac"} {
		output, err := runKubectl(t, fleet, "apply", "--server-side", "--force-conflicts", "-k", "../../../config/"+folder)
		if err != nil {
			return fmt.Errorf("installing config/%s: %w\n%s", folder, err, output)
		}
	}
	stop, err := startInstaller(t, fleet.Host)
	if err != nil {
		return err
	}
	defer stop()
	return inForce(t, fleet.Host)
}

// startInstaller runs a manager that has the admission installer only, and the real one's identity.
func startInstaller(t *testing.T, cluster *local.Cluster) (func(), error) {
	t.Helper()
	config := cluster.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: managerAccount}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Logger:  logr.Discard(),
		Scheme:  cluster.Client().Scheme(),
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		return nil, fmt.Errorf("building a manager: %w", err)
	}
	if _, err := admission.Setup(mgr, admission.Options{}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	}, nil
}

// inForce waits until the API server acts on the policies that it reads last and on those that mutate.
func inForce(t *testing.T, cluster *local.Cluster) error {
	t.Helper()
	probe := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "admission-probe-", Labels: map[string]string{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled},
	}}
	c := cluster.Client()
	if err := c.Create(t.Context(), probe); err != nil {
		return fmt.Errorf("creating a namespace: %w", err)
	}
	defer func() { _ = c.Delete(context.WithoutCancel(t.Context()), probe) }()
	return until(t.Context(), func(ctx context.Context) error {
		pod, claim := parse(t, probe.Name, podYAML)[0], parse(t, probe.Name, claimYAML)[0]
		service := parse(t, probe.Name, loadBalancerYAML)[0]
		if err := c.Create(ctx, pod, client.DryRunAll); err != nil {
			return fmt.Errorf("a bare Pod is refused: %w", err)
		}
		if !isGated(pod) {
			return errors.New("a bare Pod is not gated yet")
		}
		if err := c.Create(ctx, service, client.DryRunAll); err != nil {
			return fmt.Errorf("a bare Service is refused: %w", err)
		}
		if class, _, _ := unstructured.NestedString(service.Object, "spec", "loadBalancerClass"); class != v1alpha1.HostOnlyValue {
			return errors.New("a bare Service does not get the class yet")
		}
		if err := c.Create(ctx, claim, client.DryRunAll); err == nil {
			return errors.New("a claim is not refused yet")
		}
		return expect.StatusGuarded(ctx, cluster, probe.Name)
	})
}

func kubectl(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	host(t)
	return runKubectl(t, bed.Fleet(t), arguments...)
}

func runKubectl(t *testing.T, fleet *local.Fleet, arguments ...string) (string, error) {
	t.Helper()
	arguments = append([]string{"--kubeconfig", fleet.Host.Kubeconfig}, arguments...)
	output, err := exec.CommandContext(t.Context(), fleet.Program("kubectl"), arguments...).CombinedOutput()
	return string(output), err
}

// refusals counts the writes to a namespace that admission refused, by "user verb resource".
func refusals(t *testing.T, namespace string) map[string]int {
	t.Helper()
	writes, err := host(t).Writes(started)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, write := range writes {
		refused := write.Code == http.StatusForbidden || write.Code == http.StatusUnprocessableEntity
		if write.Namespace != namespace || !refused {
			continue
		}
		resource := write.Resource
		if write.Subresource != "" {
			resource += "/" + write.Subresource
		}
		counts[write.User+" "+write.Verb+" "+resource]++
	}
	return counts
}
