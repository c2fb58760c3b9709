package install

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// installation is Flotilla on a host: what a kustomization says, and the processes that play its Deployment.
type installation struct {
	t          *testing.T
	fleet      *local.Fleet
	dir        string
	manifest   string
	deployment appsv1.Deployment
	config     string
	managers   []*manager
}

// manager is a process that plays one Pod.
type manager struct {
	cmd    *exec.Cmd
	health string
	logs   string
	ended  chan error
}

// newInstallation has nothing installed; its processes end with the test.
func newInstallation(t *testing.T, fleet *local.Fleet) *installation {
	t.Helper()
	i := &installation{t: t, fleet: fleet, dir: t.TempDir()}
	t.Cleanup(func() { i.stop(i.managers) })
	return i
}

// apply renders a kustomization, as kubectl does, and applies it.
func (i *installation) apply(folder string) {
	i.t.Helper()
	i.manifest = filepath.Join(i.dir, filepath.Base(folder)+".yaml")
	if err := os.WriteFile(i.manifest, i.render(folder), 0o600); err != nil {
		i.t.Fatal(err)
	}
	i.kubectl("apply", "--server-side", "-f", i.manifest)
	var deployments appsv1.DeploymentList
	if err := i.host().List(i.t.Context(), &deployments, client.MatchingLabels{v1alpha1.PartOfLabel: v1alpha1.PartOfFlotilla}); err != nil {
		i.t.Fatal(err)
	}
	if len(deployments.Items) != 1 {
		i.t.Fatalf("%s makes %d Deployments, want 1", folder, len(deployments.Items))
	}
	i.deployment = deployments.Items[0]
	i.mountConfig()
}

// render renders a kustomization.
func (i *installation) render(folder string) []byte {
	i.t.Helper()
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // as kubectl does: namespaces first
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		i.t.Fatalf("rendering %s: %v", folder, err)
	}
	content, err := resources.AsYaml()
	if err != nil {
		i.t.Fatal(err)
	}
	return content
}

// mountConfig puts the configuration file where the processes find it.
func (i *installation) mountConfig() {
	i.t.Helper()
	var mounted corev1.ConfigMap
	key := client.ObjectKey{Namespace: i.deployment.Namespace, Name: i.pod().Volumes[0].ConfigMap.Name}
	if err := i.fleet.Host.Client().Get(i.t.Context(), key, &mounted); err != nil {
		i.t.Fatal(err)
	}
	i.config = filepath.Join(i.dir, mounted.Name)
	if err := os.MkdirAll(i.config, 0o755); err != nil {
		i.t.Fatal(err)
	}
	for name, content := range mounted.Data {
		if err := os.WriteFile(filepath.Join(i.config, name), []byte(content), 0o600); err != nil {
			i.t.Fatal(err)
		}
	}
}

func (i *installation) pod() corev1.PodSpec         { return i.deployment.Spec.Template.Spec }
func (i *installation) container() corev1.Container { return i.pod().Containers[0] }
func (i *installation) replicas() int               { return int(ptr.Deref(i.deployment.Spec.Replicas, 1)) }
func (i *installation) host() client.Client         { return i.fleet.Host.Client() }
func (i *installation) program(name string) string  { return filepath.Join(i.dir, name) }
func (i *installation) get(o client.Object, namespace, name string) error {
	return i.host().Get(i.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o)
}

// roll starts the managers of what is applied now, then ends those of before, as the Deployment's strategy says.
func (i *installation) roll() {
	i.t.Helper()
	old := i.managers
	i.managers = nil
	for n := range i.replicas() {
		i.managers = append(i.managers, i.start(n))
	}
	for _, m := range i.managers {
		i.checkProbes(m)
	}
	i.stop(old)
	i.awaitLeader()
}

// start runs a manager as one Pod of the Deployment would.
func (i *installation) start(n int) *manager {
	i.t.Helper()
	program := i.program("flotilla")
	if _, err := os.Stat(program); err != nil {
		root, err := kubebin.Root()
		if err != nil {
			i.t.Fatal(err)
		}
		if err := kubebin.Own(i.t.Context(), root, ".", program); err != nil {
			i.t.Fatal(err)
		}
	}
	name := fmt.Sprintf("%s-%d", i.deployment.Name, n)
	m := &manager{health: local.Address(i.t), logs: filepath.Join(i.dir, name+"-"+i.deployment.ResourceVersion+".log"), ended: make(chan error, 1)}
	mount := i.container().VolumeMounts[0].MountPath
	args := []string{}
	for _, arg := range i.container().Args {
		args = append(args, strings.ReplaceAll(arg, mount, i.config))
	}
	args = append(args, "--kubeconfig="+i.kubeconfig(name), "--health-probe-bind-address="+m.health,
		"--metrics-bind-address="+local.Address(i.t))
	m.cmd = exec.Command(program, args...)
	m.cmd.Env = i.environment(name)
	logs, err := os.Create(m.logs)
	if err != nil {
		i.t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	m.cmd.Stdout, m.cmd.Stderr = logs, logs
	if err := m.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	go func() { m.ended <- m.cmd.Wait() }()
	return m
}

// environment is the container's, and nothing of ours.
func (i *installation) environment(pod string) []string {
	i.t.Helper()
	var environment []string
	for _, variable := range i.container().Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			field := variable.ValueFrom.FieldRef.FieldPath
			known := map[string]string{"metadata.name": pod, "metadata.namespace": i.deployment.Namespace}
			if value = known[field]; value == "" {
				i.t.Fatalf("environment variable %s: the test does not know the field %s", variable.Name, field)
			}
		}
		environment = append(environment, variable.Name+"="+value)
	}
	return environment
}

// kubeconfig holds a token of the Deployment's ServiceAccount.
func (i *installation) kubeconfig(pod string) string {
	i.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: i.deployment.Namespace, Name: i.pod().ServiceAccountName}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](3600)}}
	if err := i.host().SubResource("token").Create(i.t.Context(), account, request); err != nil {
		i.t.Fatal(err)
	}
	file := filepath.Join(i.dir, pod+".kubeconfig")
	address := strings.TrimPrefix(i.fleet.Host.RESTConfig().Host, "https://")
	if err := controlplane.WriteTokenKubeconfig(file, i.fleet.Host.Kubeconfig, address, request.Status.Token); err != nil {
		i.t.Fatal(err)
	}
	return file
}

// checkProbes asks a manager as the kubelet would, until each probe succeeds.
func (i *installation) checkProbes(m *manager) {
	i.t.Helper()
	container := i.container()
	for name, probe := range map[string]*corev1.Probe{
		"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe,
	} {
		if probe == nil || probe.HTTPGet == nil {
			i.t.Errorf("there is no %s probe", name)
			continue
		}
		i.checkPort(name, probe.HTTPGet.Port)
		url := "http://" + m.health + probe.HTTPGet.Path
		local.Eventually(i.t, expect.Patience, func(ctx context.Context) error { return i.succeeds(ctx, m, url) })
	}
}

func (i *installation) succeeds(ctx context.Context, m *manager, url string) error {
	select {
	case err := <-m.ended:
		m.ended <- err
		i.t.Errorf("a manager ended: %v\n%s", err, m.log())
		return nil
	default:
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// checkPort makes sure that a probe asks where the configuration file lets the manager serve.
func (i *installation) checkPort(probe string, port intstr.IntOrString) {
	i.t.Helper()
	configuration, err := configfile.Load(filepath.Join(i.config, "config.yaml"))
	if err != nil {
		i.t.Error(err)
		return
	}
	at := slices.IndexFunc(i.container().Ports, func(p corev1.ContainerPort) bool { return p.Name == port.StrVal })
	if at < 0 {
		i.t.Errorf("the %s probe asks at the port %q, which the container does not have", probe, port.StrVal)
		return
	}
	if served := fmt.Sprintf(":%d", i.container().Ports[at].ContainerPort); configuration.Health.BindAddress != served {
		i.t.Errorf("the %s probe asks at %s, the manager serves at %s", probe, served, configuration.Health.BindAddress)
	}
}

// awaitLeader waits until one of the managers holds the lease in the installation's namespace.
func (i *installation) awaitLeader() {
	i.t.Helper()
	local.Eventually(i.t, expect.Patience, func(ctx context.Context) error {
		var lease coordinationv1.Lease
		if err := i.host().Get(ctx, client.ObjectKey{Namespace: i.deployment.Namespace, Name: "flotilla-manager"}, &lease); err != nil {
			return err
		}
		for _, m := range i.managers {
			if i.succeeds(ctx, m, "http://"+m.health+"/readyz/leading") == nil {
				return nil
			}
		}
		return fmt.Errorf("no manager leads; %s holds the lease", ptr.Deref(lease.Spec.HolderIdentity, "nobody"))
	})
}

func (m *manager) log() string {
	content, err := os.ReadFile(m.logs)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// stop ends managers as the kubelet does.
func (i *installation) stop(managers []*manager) {
	i.t.Helper()
	for _, m := range managers {
		_ = m.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, m := range managers {
		select {
		case err := <-m.ended:
			if err != nil {
				i.t.Errorf("a manager that is stopped ends with %v:\n%s", err, m.log())
			}
		case <-time.After(expect.Patience):
			i.t.Errorf("a manager does not end:\n%s", m.log())
			_ = m.cmd.Process.Kill()
			if err := <-m.ended; err != nil {
				i.t.Logf("killed: %v", err)
			}
		}
	}
}

// kubectl runs it as the host's administrator and returns what it prints.
func (i *installation) kubectl(args ...string) string {
	i.t.Helper()
	output, err := i.try("kubectl", args...)
	if err != nil {
		i.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return output
}

// plugin runs a command of the kubectl plugin.
func (i *installation) plugin(args ...string) string {
	i.t.Helper()
	output, err := i.try("flotilla", args...)
	if err != nil {
		i.t.Fatalf("kubectl flotilla %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return output
}

func (i *installation) try(program string, args ...string) (string, error) {
	i.t.Helper()
	path := i.program(program)
	if program == "kubectl" {
		path = i.fleet.Program(program)
	}
	cmd := exec.CommandContext(i.t.Context(), path, append(args, "--kubeconfig", i.fleet.Host.Kubeconfig)...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}
