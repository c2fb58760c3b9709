package olm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	// namespace is what the bundle suggests.
	namespace = v1alpha1.SystemNamespace
	// managerName is the name of the manager's process.
	managerName = "olm-manager"
	// runVariable lets the test run: building OLM's operators takes minutes when nothing is cached.
	runVariable = "FLOTILLA_OLM"
	// replacedBy is the release of the upgrade, and its image.
	replacedBy      = "99.0.0"
	replacedByImage = "registry.example.com/flotilla:v99.0.0"
)

// operators is the group of OLM's kinds.
const operators = "operators.coreos.com/"

func object(apiVersion, kind, ns, name string, fields map[string]any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	for key, value := range fields {
		obj.Object[key] = value
	}
	obj.SetNamespace(ns)
	obj.SetName(name)
	return obj
}

// The whole life of an installation, because each part needs the ones before it.
func TestOLMInstallsUpgradesAndRemovesFlotilla(t *testing.T) {
	if os.Getenv(runVariable) == "" {
		t.Skipf("set %s to build and run OLM's operators", runVariable)
	}
	fleet := bed.Fleet(t)
	shop, host, member := newWorkshop(t, fleet), fleet.Member("member1"), fleet.Member("member2")
	begin := time.Now()
	bundle := filepath.Join(shop.root, "bundle")
	csv := readCSV(t, bundle)

	installOLM(t, shop, host)
	address := shop.startCatalog(t, "catalog-first", bundle)
	subscribe(t, host, address)
	succeeded(t, host, csv.GetName())
	// A bundle cannot hold what bounds the manager.
	shop.run(t, shop.fleet.Program(kubebin.Kubectl), "--kubeconfig", host.Kubeconfig, "apply", "--server-side",
		"-k", filepath.Join(shop.root, "config", "rbac", "bounds"))
	t.Logf("%s is installed %.0fs after the start", csv.GetName(), time.Since(begin).Seconds())
	deployment := available(t, host)

	examplesAreAccepted(t, host, csv)
	flotilla, stopManager := startManager(t, shop, host, deployment)
	shop.run(t, flotilla, "join", member.Name, "--kubeconfig", host.Kubeconfig, "--cluster-kubeconfig", member.ProxiedKubeconfig)
	propagated(t, host, member)

	upgraded(t, shop, host, csv)
	propagatesStill(t, host, member, 2)

	stopManager = changed(t, shop, host, member, "flotilla.v"+replacedBy, stopManager)

	shop.run(t, flotilla, "uninstall", "--yes", "--template-namespaces=delete", "--kubeconfig", host.Kubeconfig)
	stopManager() // as its pods end with the Deployment; here it would go on, without the rights that go along
	removed(t, shop, host, "flotilla.v"+replacedBy)
	expect.Seen(t, member, builder.Deployment("web", "web"), expect.Present)
	t.Logf("all of it took %.0fs", time.Since(begin).Seconds())
}

func readCSV(t *testing.T, bundle string) *unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(bundle, "manifests", "flotilla.clusterserviceversion.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	csv := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(content, &csv.Object); err != nil {
		t.Fatal(err)
	}
	return csv
}

// installOLM does what OLM's own installation does, but for the pods of its operators, which run here.
func installOLM(t *testing.T, shop workshop, host *local.Cluster) {
	t.Helper()
	kubectl := shop.fleet.Program(kubebin.Kubectl)
	shop.run(t, kubectl, "--kubeconfig", host.Kubeconfig, "apply", "--server-side", "-f", shop.definitions(t))
	shop.run(t, kubectl, "--kubeconfig", host.Kubeconfig, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	for _, name := range []string{"olm", namespace} {
		expect.Create(t, host, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	shop.startOperators(t, host)
}

// subscribe does what a user does to install an operator for all namespaces.
func subscribe(t *testing.T, host *local.Cluster, address string) {
	t.Helper()
	expect.Create(t, host,
		object(operators+"v1alpha1", "CatalogSource", "olm", "flotilla", map[string]any{
			"spec": map[string]any{"sourceType": "grpc", "address": address, "displayName": "Flotilla"},
		}),
		object(operators+"v1", "OperatorGroup", namespace, "flotilla", map[string]any{"spec": map[string]any{}}),
		subscription(),
	)
}

func subscription() *unstructured.Unstructured {
	return object(operators+"v1alpha1", "Subscription", namespace, "flotilla", map[string]any{"spec": map[string]any{
		"name": "flotilla", "channel": "candidate-v1alpha1", "source": "flotilla", "sourceNamespace": "olm",
	}})
}

// succeeded waits until OLM says that a release is installed.
func succeeded(t *testing.T, host *local.Cluster, name string) {
	t.Helper()
	csv := object(operators+"v1alpha1", "ClusterServiceVersion", namespace, name, nil)
	expect.Seen(t, host, csv, func(csv *unstructured.Unstructured) error {
		status, _, err := unstructured.NestedMap(csv.Object, "status")
		if err == nil && status["phase"] != "Succeeded" {
			err = fmt.Errorf("its phase is %v, because %v: %v; requirements %v",
				status["phase"], status["reason"], status["message"], status["requirementStatus"])
		}
		return err
	})
}

// available returns the Deployment that OLM made, which pods of OLM's making serve.
func available(t *testing.T, host *local.Cluster) *appsv1.Deployment {
	t.Helper()
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "flotilla-manager"}}
	expect.Seen(t, host, deployment, func(d *appsv1.Deployment) error {
		if d.Status.AvailableReplicas < *d.Spec.Replicas {
			return fmt.Errorf("%d of %d replicas are available", d.Status.AvailableReplicas, *d.Spec.Replicas)
		}
		return nil
	})
	return deployment
}

// examplesAreAccepted asks the API server about each example that a console would offer.
func examplesAreAccepted(t *testing.T, host *local.Cluster, csv *unstructured.Unstructured) {
	t.Helper()
	var examples []map[string]any
	if err := json.Unmarshal([]byte(csv.GetAnnotations()["alm-examples"]), &examples); err != nil {
		t.Fatal(err)
	}
	owned, _, err := unstructured.NestedSlice(csv.Object, "spec", "customresourcedefinitions", "owned")
	if err != nil || len(owned) != len(examples) {
		t.Errorf("there are %d examples for %d kinds, %v", len(examples), len(owned), err)
	}
	for _, fields := range examples {
		example := &unstructured.Unstructured{Object: fields}
		namespaced, err := host.Client().IsObjectNamespaced(example)
		if err != nil {
			t.Fatal(err)
		}
		if namespaced {
			example.SetNamespace("default")
		}
		if err := host.Client().Create(t.Context(), example, client.DryRunAll); err != nil {
			t.Errorf("the example of a %s: %v", example.GetKind(), err)
		}
	}
}

// startManager runs what the Deployment runs, as the account that OLM made, and waits until its own probe is content. It returns the
// program, which is the plugin as well.
func startManager(t *testing.T, shop workshop, host *local.Cluster, deployment *appsv1.Deployment) (flotilla string, stop func()) {
	t.Helper()
	flotilla = shop.build(t, "flotilla", "", ".")
	spec := deployment.Spec.Template.Spec
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: spec.ServiceAccountName}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](3600)}}
	if err := host.Client().SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	admin, err := local.LoadConfig(host.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(shop.fleet.Dir(), "olm-manager.kubeconfig")
	server := strings.TrimPrefix(admin.Host, "https://")
	if err := controlplane.WriteTokenKubeconfig(kubeconfig, host.Kubeconfig, server, request.Status.Token); err != nil {
		t.Fatal(err)
	}
	health := local.Address(t)
	args := append(mounted(t, shop, host, spec), "--kubeconfig="+kubeconfig,
		"--health-probe-bind-address="+health, "--metrics-bind-address="+local.Address(t))
	stop = shop.start(t, managerName, flotilla, environment(spec.Containers[0]), args...)
	probe := spec.Containers[0].ReadinessProbe.HTTPGet
	expect.Eventually(t, "the manager to be ready", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+probe.Path, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s says %s", probe.Path, response.Status)
		}
		return nil
	})
	// A bundle cannot hold admission policies, so they are there only if the manager makes them.
	policy := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "flotilla-templates-pods"}}
	expect.Seen(t, host, policy, expect.Present)
	return flotilla, stop
}

// mounted returns the arguments of the container, with the files of its ConfigMaps where this machine can have them.
func mounted(t *testing.T, shop workshop, host *local.Cluster, spec corev1.PodSpec) []string {
	t.Helper()
	args := strings.Join(spec.Containers[0].Args, "\n")
	for _, mount := range spec.Containers[0].VolumeMounts {
		for _, volume := range spec.Volumes {
			if volume.Name != mount.Name || volume.ConfigMap == nil {
				continue
			}
			files := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: volume.ConfigMap.Name}}
			expect.Seen(t, host, files, expect.Present)
			for name, content := range files.Data {
				shop.write(t, path.Join(volume.Name, name), content)
			}
			args = strings.ReplaceAll(args, mount.MountPath, filepath.Join(shop.fleet.Dir(), volume.Name))
		}
	}
	return strings.Split(args, "\n")
}

// environment is that of the container, in a pod that has the name of the process.
func environment(container corev1.Container) []string {
	var pairs []string
	for _, variable := range container.Env {
		value := variable.Value
		if from := variable.ValueFrom; from != nil && from.FieldRef != nil {
			value = map[string]string{"metadata.namespace": namespace, "metadata.name": managerName}[from.FieldRef.FieldPath]
		}
		pairs = append(pairs, variable.Name+"="+value)
	}
	return pairs
}

// propagated sends one template through the whole of it.
func propagated(t *testing.T, host, member *local.Cluster) {
	t.Helper()
	web := builder.Deployment("web", "web")
	expect.Create(t, host, builder.TemplateNamespace("web"))
	expect.Create(t, host, builder.Policy("web", "web", builder.Selecting("apps/v1", "Deployment", "web"), builder.Clusters(member.Name)), web)
	expect.Seen(t, member, builder.Deployment("web", "web"), func(d *appsv1.Deployment) error {
		if d.Status.ReadyReplicas < 1 {
			return fmt.Errorf("it has no ready replica")
		}
		return nil
	})
	expect.Seen(t, host, web, func(d *appsv1.Deployment) error {
		if d.Status.ReadyReplicas < 1 {
			return fmt.Errorf("the template does not show the replica of the member")
		}
		return nil
	})
}

func propagatesStill(t *testing.T, host, member *local.Cluster, replicas int32) {
	t.Helper()
	expect.Change(t, host, builder.Deployment("web", "web"), func(d *appsv1.Deployment) { d.Spec.Replicas = &replicas })
	expect.Seen(t, member, builder.Deployment("web", "web"), func(d *appsv1.Deployment) error {
		if d.Status.ReadyReplicas != replicas {
			return fmt.Errorf("it has %d ready replicas, want %d", d.Status.ReadyReplicas, replicas)
		}
		return nil
	})
}

// upgraded publishes another release in the catalog, which OLM installs by itself because nobody wants to be asked.
func upgraded(t *testing.T, shop workshop, host *local.Cluster, csv *unstructured.Unstructured) {
	t.Helper()
	before := available(t, host)
	_, version, _ := strings.Cut(csv.GetName(), ".v")
	address := shop.startCatalog(t, "catalog-second", shop.bundle(t, replacedBy, version, replacedByImage))
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"address":%q}}`, address))
	if err := host.Client().Patch(t.Context(), object(operators+"v1alpha1", "CatalogSource", "olm", "flotilla", nil), patch); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	succeeded(t, host, "flotilla.v"+replacedBy)
	expect.Gone(t, host, object(operators+"v1alpha1", "ClusterServiceVersion", namespace, csv.GetName(), nil))
	t.Logf("upgraded in %.0fs", time.Since(begin).Seconds())
	after := available(t, host)
	if after.UID != before.UID {
		t.Error("the upgrade replaced the Deployment instead of updating it")
	}
	if image := after.Spec.Template.Spec.Containers[0].Image; image != replacedByImage {
		t.Errorf("after the upgrade the image is %s, want %s", image, replacedByImage)
	}
}

// removed does what docs/olm.md says, and expects nothing to stay.
func removed(t *testing.T, shop workshop, host *local.Cluster, csv string) {
	t.Helper()
	expect.Delete(t, host, object(operators+"v1alpha1", "Subscription", namespace, "flotilla", nil))
	expect.Delete(t, host, object(operators+"v1alpha1", "ClusterServiceVersion", namespace, csv, nil))
	expect.Gone(t, host, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "flotilla-manager"}})
	expect.Eventually(t, "the end of the rights", func(ctx context.Context) error {
		var bindings rbacv1.ClusterRoleBindingList
		if err := host.Client().List(ctx, &bindings, client.MatchingLabels{"olm.owner.namespace": namespace}); err != nil {
			return err
		}
		if len(bindings.Items) > 0 {
			return fmt.Errorf("%d ClusterRoleBindings are left, such as %s", len(bindings.Items), bindings.Items[0].Name)
		}
		return nil
	})
	group := object(operators+"v1", "OperatorGroup", namespace, "flotilla", nil)
	expect.Delete(t, host, group)
	home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	expect.Delete(t, host, home)
	expect.Gone(t, host, home)
	shop.run(t, shop.fleet.Program(kubebin.Kubectl), "--kubeconfig", host.Kubeconfig, "delete", "--timeout=60s",
		"clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions",
		"-l", "app.kubernetes.io/part-of=flotilla")
	for _, name := range []string{"flotilla-templates-pods", "flotilla-manager-bounds", "flotilla-credentials-bindings"} {
		meta := metav1.ObjectMeta{Name: name}
		expect.Gone(t, host, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta})
		expect.Gone(t, host, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta})
	}
}
