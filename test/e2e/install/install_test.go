package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	member = "member1"
	shop   = "shop"
)

// overlay is a folder of config/overlays.
func overlay(t *testing.T, name string) string {
	t.Helper()
	root, err := kubebin.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "config", "overlays", name)
}

func TestAFleetMovesFromOneOverlayToTheNextAndOutlivesTheUninstallation(t *testing.T) {
	fleet := bed.Fleet(t)
	i := newInstallation(t, fleet)
	i.apply(overlay(t, "dev"))
	i.roll()
	i.checkPods()
	i.plugin("join", member, "--cluster-kubeconfig", fleet.Member(member).Kubeconfig)
	i.propagate("web")
	before := i.inMember("web")

	for _, next := range []string{"staging", "production"} {
		i.apply(overlay(t, next))
		i.roll()
		i.checkPods()
		i.propagate("from-" + next)
	}
	if after := i.inMember("web"); after.Generation != before.Generation {
		t.Errorf("moving between overlays changed what runs in the member: generation %d became %d", before.Generation, after.Generation)
	}

	i.checkBounds("")
	i.wantRefusedWhileJoined()
	output := i.plugin("uninstall", "--yes", "--template-namespaces=delete")
	t.Log(output)
	i.deleteAll()

	kept := i.inMember("web")
	if kept.UID != before.UID || kept.Labels[v1alpha1.ManagedLabel] != "" {
		t.Errorf("the member's Deployment is %s with the labels %v, want %s without Flotilla's", kept.UID, kept.Labels, before.UID)
	}
	i.checkNoAccountInMember()
}

func TestANamespaceAndAPrefixOfOnesOwnReachEverything(t *testing.T) {
	fleet := bed.Fleet(t)
	i := newInstallation(t, fleet)
	i.apply(i.renamed("staging", "namespace: fleet\nnamePrefix: blue-\n"))
	i.roll()
	i.checkPods()
	i.plugin("join", member, "--cluster-kubeconfig", fleet.Member(member).Kubeconfig)
	i.propagate("renamed")

	i.checkEveryComponent()
	i.checkBounds("blue-")

	var grant rbacv1.RoleBinding
	if err := i.get(&grant, v1alpha1.ExecutionNamespace(member), "blue-flotilla-credentials"); err != nil {
		t.Fatal(err)
	}
	want := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "fleet", Name: "blue-flotilla-manager"}}
	if diff := cmp.Diff(want, grant.Subjects); diff != "" {
		t.Errorf("who reads credentials (-want +got):\n%s", diff)
	}
	if err := i.get(&admissionregistrationv1.ValidatingAdmissionPolicy{}, "", "flotilla-templates-spawn"); err != nil {
		t.Errorf("the manager did not install its policies: %v", err)
	}

	t.Log(i.plugin("uninstall", "--remove", "--yes", "--template-namespaces=delete"))
	i.deleteAll()
	var gone appsv1.Deployment
	err := fleet.Member(member).Client().Get(t.Context(), client.ObjectKey{Namespace: shop, Name: "renamed"}, &gone)
	if !apierrors.IsNotFound(err) {
		t.Errorf("reading what was to be removed from the member: %v, want that it is not found", err)
	}
	i.checkNoAccountInMember()
}

// checkEveryComponent lets the host look at what it would get with the components that have not been applied, admission
// policies among them, which kustomize gives a namespace that they do not have.
func (i *installation) checkEveryComponent() {
	i.t.Helper()
	lines := "namespace: fleet\nnamePrefix: blue-\ncomponents:\n"
	for _, component := range []string{"ha", "priority-class", "feature-gates", "static-admission", "gate-pods", "no-secret-templates"} {
		lines += "- ../OVERLAYS/../components/" + component + "\n"
	}
	file := filepath.Join(i.dir, "everything.yaml")
	if err := os.WriteFile(file, i.render(i.renamed("staging", lines)), 0o600); err != nil {
		i.t.Fatal(err)
	}
	i.kubectl("apply", "--server-side", "--dry-run=server", "-f", file)
}

// renamed is an overlay of one's own over one of config/overlays. OVERLAYS in lines is that folder, as kustomize has to name it.
func (i *installation) renamed(base, lines string) string {
	i.t.Helper()
	folder, err := os.MkdirTemp(i.dir, "own-")
	if err != nil {
		i.t.Fatal(err)
	}
	resolved, err := filepath.EvalSymlinks(folder)
	if err != nil {
		i.t.Fatal(err)
	}
	relative, err := filepath.Rel(resolved, overlay(i.t, base))
	if err != nil {
		i.t.Fatal(err)
	}
	content := strings.ReplaceAll(lines, "../OVERLAYS", filepath.Dir(relative)) + "resources:\n- " + relative + "\n"
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(content), 0o600); err != nil {
		i.t.Fatal(err)
	}
	return folder
}

// checkPods waits until the host has made the Deployment's Pods: the namespace takes none that breaks its security standard.
func (i *installation) checkPods() {
	i.t.Helper()
	local.Eventually(i.t, expect.Patience, func(ctx context.Context) error {
		var deployment appsv1.Deployment
		if err := i.host().Get(ctx, client.ObjectKeyFromObject(&i.deployment), &deployment); err != nil {
			return err
		}
		if deployment.Status.ObservedGeneration < deployment.Generation || int(deployment.Status.UpdatedReplicas) != i.replicas() {
			return fmt.Errorf("the host made %d of %d Pods: %+v", deployment.Status.UpdatedReplicas, i.replicas(), deployment.Status.Conditions)
		}
		return nil
	})
}

// propagate makes a template and waits until the member has it.
func (i *installation) propagate(name string) {
	i.t.Helper()
	i.kubectlStdin(fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s, labels: {flotilla.dev/templates: enabled}}
---
apiVersion: flotilla.dev/v1alpha1
kind: PropagationPolicy
metadata: {namespace: %[1]s, name: all}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: %[1]s, name: %[2]s}
spec:
  replicas: 1
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
`, shop, name))
	local.Eventually(i.t, expect.Patience, func(ctx context.Context) error {
		return i.fleet.Member(member).Client().Get(ctx, client.ObjectKey{Namespace: shop, Name: name}, &appsv1.Deployment{})
	})
}

func (i *installation) kubectlStdin(manifest string) {
	i.t.Helper()
	file := filepath.Join(i.dir, "templates.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		i.t.Fatal(err)
	}
	i.kubectl("apply", "--server-side", "-f", file)
}

func (i *installation) inMember(name string) *appsv1.Deployment {
	i.t.Helper()
	var deployment appsv1.Deployment
	if err := i.fleet.Member(member).Client().Get(i.t.Context(), client.ObjectKey{Namespace: shop, Name: name}, &deployment); err != nil {
		i.t.Fatal(err)
	}
	return &deployment
}

// wantRefusedWhileJoined deletes what would take the fleet along.
func (i *installation) wantRefusedWhileJoined() {
	i.t.Helper()
	for _, crd := range []string{"clusters.flotilla.dev", "resourcebindings.flotilla.dev"} {
		output, err := i.try("kubectl", "delete", "crd", crd, "--wait=false")
		if err == nil || !strings.Contains(output, `run "kubectl flotilla uninstall" first`) {
			i.t.Fatalf("deleting %s while a Cluster is joined: %v, %s; want that it is refused", crd, err, output)
		}
	}
}

// deleteAll ends the managers, deletes what was applied, and makes sure that nothing of it is left or waits.
func (i *installation) deleteAll() {
	i.t.Helper()
	i.stop(i.managers)
	i.managers = nil
	i.kubectl("delete", "-f", i.manifest, "--ignore-not-found", "--timeout="+expect.Patience.String())
	local.Eventually(i.t, expect.Patience, func(ctx context.Context) error {
		left, err := i.leftovers(ctx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("on the host are left: %s", strings.Join(left, ", "))
		}
		return err
	})
}

// leftovers are the objects of Flotilla that the host still has, and namespaces that do not end.
func (i *installation) leftovers(ctx context.Context) ([]string, error) {
	var left []string
	for _, list := range []client.ObjectList{
		&corev1.NamespaceList{}, &apiextensionsv1.CustomResourceDefinitionList{}, &rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{},
		&admissionregistrationv1.ValidatingAdmissionPolicyList{}, &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{},
		&admissionregistrationv1.MutatingAdmissionPolicyList{}, &admissionregistrationv1.MutatingAdmissionPolicyBindingList{},
	} {
		if err := i.host().List(ctx, list); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			object, err := meta.Accessor(item)
			if err != nil {
				return err
			}
			if strings.Contains(object.GetName(), "flotilla") || object.GetDeletionTimestamp() != nil {
				left = append(left, fmt.Sprintf("%T %s", item, object.GetName()))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

// checkNoAccountInMember makes sure that Flotilla may do nothing in the member any more.
func (i *installation) checkNoAccountInMember() {
	i.t.Helper()
	local.Eventually(i.t, expect.Patience, func(ctx context.Context) error {
		var roles rbacv1.ClusterRoleList
		if err := i.fleet.Member(member).Client().List(ctx, &roles); err != nil {
			return err
		}
		for _, role := range roles.Items {
			if role.Name == "flotilla" {
				return fmt.Errorf("the member still has the ClusterRole %s", role.Name)
			}
		}
		var namespace corev1.Namespace
		err := i.fleet.Member(member).Client().Get(ctx, client.ObjectKey{Name: v1alpha1.SystemNamespace}, &namespace)
		if err == nil {
			return fmt.Errorf("the member still has the namespace %s, %s", namespace.Name, namespace.Status.Phase)
		}
		return client.IgnoreNotFound(err)
	})
}
