package manifests

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/flotilla-dev/flotilla/internal/configfile"
)

// config is the folder that is rendered, seen from this package.
const config = "../../config"

// clusterScoped are the kinds of config/ that have no namespace.
var clusterScoped = []string{
	"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PriorityClass",
	"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
}

// rendered are the objects of a kustomization.
type rendered []*unstructured.Unstructured

// render renders one folder of config/.
func render(t *testing.T, folder string) rendered {
	t.Helper()
	return renderFrom(t, inMemory(t), folder)
}

// overlay renders the given folders of config/ with more lines in a kustomization above them.
func overlay(t *testing.T, lines string, folders ...string) rendered {
	t.Helper()
	content := lines + "\nresources:\n"
	for _, base := range folders {
		content += "- ../" + base + "\n"
	}
	files := inMemory(t)
	if err := files.WriteFile("/overlay/kustomization.yaml", []byte(content)); err != nil {
		t.Fatal(err)
	}
	return renderFrom(t, files, "overlay")
}

// inMemory copies config/ to a file system that tests may write to.
func inMemory(t *testing.T) filesys.FileSystem {
	t.Helper()
	files := filesys.MakeFsInMemory()
	err := filepath.WalkDir(config, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(config, path)
		if err != nil {
			return err
		}
		return files.WriteFile("/"+filepath.ToSlash(relative), content)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func renderFrom(t *testing.T, files filesys.FileSystem, folder string) rendered {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/"+folder)
	if err != nil {
		t.Fatalf("rendering %s: %v", folder, err)
	}
	var objects rendered
	for _, resource := range resources.Resources() {
		content, err := resource.Map()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, &unstructured.Unstructured{Object: content})
	}
	return objects
}

func (r rendered) find(kind, namespace, name string) *unstructured.Unstructured {
	for _, object := range r {
		inPlace := slices.Contains(clusterScoped, kind) || object.GetNamespace() == namespace
		if object.GetKind() == kind && object.GetName() == name && inPlace {
			return object
		}
	}
	return nil
}

// all returns the objects of a kind as values of its type.
func all[T any](t *testing.T, r rendered, kinds ...string) []T {
	t.Helper()
	var typed []T
	for _, object := range r {
		if !slices.Contains(kinds, object.GetKind()) {
			continue
		}
		var value T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &value, true); err != nil {
			t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
		typed = append(typed, value)
	}
	if len(typed) == 0 {
		t.Fatalf("found no %v", kinds)
	}
	return typed
}

func TestEveryReferenceOfTheManifestsResolves(t *testing.T) {
	tests := map[string]struct {
		objects   func(t *testing.T) rendered
		namespace string
		prefix    string
	}{
		"as they are": {
			objects:   func(t *testing.T) rendered { return render(t, "default") },
			namespace: "flotilla-system",
		},
		"for developers": {
			objects:   func(t *testing.T) rendered { return render(t, "overlays/dev") },
			namespace: "flotilla-system",
		},
		"for a rehearsal": {
			objects:   func(t *testing.T) rendered { return render(t, "overlays/staging") },
			namespace: "flotilla-system",
		},
		"for production": {
			objects:   func(t *testing.T) rendered { return render(t, "overlays/production") },
			namespace: "flotilla-system",
		},
		"for production, in another namespace and with a prefix": {
			objects: func(t *testing.T) rendered {
				return overlay(t, "namespace: fleet\nnamePrefix: blue-", "overlays/production")
			},
			namespace: "fleet",
			prefix:    "blue-",
		},
		"with every component, in another namespace and with a prefix and a suffix": {
			objects: func(t *testing.T) rendered {
				return overlay(t, "namespace: fleet\nnamePrefix: blue-\nnameSuffix: -two\ncomponents:\n"+
					"- ../components/ha\n- ../components/network-policy\n- ../components/priority-class\n- ../components/feature-gates\n"+
					"- ../components/static-admission\n- ../components/gate-pods\n- ../components/no-secret-templates", "default")
			},
			namespace: "fleet",
			prefix:    "blue-",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			objects := tc.objects(t)
			for _, object := range objects {
				checkPlace(t, object, tc.namespace, tc.prefix)
			}
			checkRoles(t, objects)
			checkPolicyBindings(t, objects)
			checkCredentialsRole(t, objects)
			checkBounds(t, objects)
			checkDeployment(t, objects)
		})
	}
}

func checkPlace(t *testing.T, object *unstructured.Unstructured, namespace, prefix string) {
	t.Helper()
	if object.GetKind() == "Namespace" && object.GetName() != namespace {
		t.Errorf("namespace %s, want %s", object.GetName(), namespace)
	}
	if !slices.Contains(clusterScoped, object.GetKind()) && object.GetNamespace() != namespace {
		t.Errorf("%s %s is in namespace %q, want %q", object.GetKind(), object.GetName(), object.GetNamespace(), namespace)
	}
	if object.GetKind() != "CustomResourceDefinition" && object.GetKind() != "Namespace" &&
		!strings.HasPrefix(object.GetName(), prefix+"flotilla") {
		t.Errorf("%s %s has no name of ours", object.GetKind(), object.GetName())
	}
}

func checkRoles(t *testing.T, objects rendered) {
	t.Helper()
	for _, binding := range all[rbacv1.RoleBinding](t, objects, "RoleBinding", "ClusterRoleBinding") {
		if objects.find(binding.RoleRef.Kind, binding.Namespace, binding.RoleRef.Name) == nil {
			t.Errorf("%s %s binds %s %s, which is not there", binding.Kind, binding.Name, binding.RoleRef.Kind, binding.RoleRef.Name)
		}
		for _, subject := range binding.Subjects {
			if objects.find(subject.Kind, subject.Namespace, subject.Name) == nil {
				t.Errorf("%s %s binds to %s %s/%s, which is not there", binding.Kind, binding.Name, subject.Kind, subject.Namespace, subject.Name)
			}
		}
	}
}

func checkPolicyBindings(t *testing.T, objects rendered) {
	t.Helper()
	for _, object := range objects {
		kind, isBinding := strings.CutSuffix(object.GetKind(), "AdmissionPolicyBinding")
		if !isBinding {
			continue
		}
		name, _, err := unstructured.NestedString(object.Object, "spec", "policyName")
		if err != nil || objects.find(kind+"AdmissionPolicy", "", name) == nil {
			t.Errorf("%s %s binds %q, which is not there", object.GetKind(), object.GetName(), name)
		}
	}
}

// checkCredentialsRole makes sure that the role which the manager is told to bind is there, and is what it may bind.
func checkCredentialsRole(t *testing.T, objects rendered) {
	t.Helper()
	var told string
	for _, variable := range all[appsv1.Deployment](t, objects, "Deployment")[0].Spec.Template.Spec.Containers[0].Env {
		if variable.Name == "FLOTILLA_CREDENTIALS_ROLE" {
			told = variable.Value
		}
	}
	if objects.find("ClusterRole", "", told) == nil {
		t.Errorf("the manager is told to bind the ClusterRole %q, which is not there", told)
	}
	bindable, writable := []string{}, []string{}
	for _, role := range all[rbacv1.ClusterRole](t, objects, "ClusterRole") {
		for _, rule := range role.Rules {
			if slices.Contains(rule.Verbs, "bind") {
				bindable = append(bindable, rule.ResourceNames...)
			}
			if slices.Contains(rule.Resources, "rolebindings") && slices.Contains(rule.Verbs, "create") {
				writable = append(writable, rule.ResourceNames...)
			}
		}
	}
	if diff := cmp.Diff([][]string{{told}, {told}}, [][]string{bindable, writable}); diff != "" {
		t.Errorf("what is bound (-) and what may be bound, under its name (+), differ:\n%s", diff)
	}
}

// checkBounds makes sure that the policies that bound the manager are there, mean its account, and are nothing that it may write.
func checkBounds(t *testing.T, objects rendered) {
	t.Helper()
	for _, account := range all[corev1.ServiceAccount](t, objects, "ServiceAccount") {
		if !strings.Contains(account.Name, "flotilla-manager") {
			t.Errorf("flotilla-manager-bounds does not mean the ServiceAccount %s", account.Name)
		}
	}
	for _, bounds := range []string{"flotilla-credentials-bindings", "flotilla-manager-bounds"} {
		at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == "ValidatingAdmissionPolicy" && strings.Contains(o.GetName(), bounds)
		})
		if at < 0 {
			t.Errorf("%s is not installed", bounds)
			continue
		}
		for _, role := range all[rbacv1.ClusterRole](t, objects, "ClusterRole") {
			for _, rule := range role.Rules {
				concerns := slices.Contains(rule.APIGroups, "*") || slices.Contains(rule.APIGroups, "admissionregistration.k8s.io")
				if concerns && (len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, objects[at].GetName())) {
					t.Errorf("ClusterRole %s has rights to %s", role.Name, objects[at].GetName())
				}
			}
		}
	}
}

func checkDeployment(t *testing.T, objects rendered) {
	t.Helper()
	deployment := all[appsv1.Deployment](t, objects, "Deployment")[0]
	pod := deployment.Spec.Template
	if objects.find("ServiceAccount", deployment.Namespace, pod.Spec.ServiceAccountName) == nil {
		t.Errorf("the Deployment runs as %q, which is not there", pod.Spec.ServiceAccountName)
	}
	for _, volume := range pod.Spec.Volumes {
		if objects.find("ConfigMap", deployment.Namespace, volume.ConfigMap.Name) == nil {
			t.Errorf("volume %s needs ConfigMap %q, which is not there", volume.Name, volume.ConfigMap.Name)
		}
	}
	selected := map[string]map[string]string{
		"the Deployment":          deployment.Spec.Selector.MatchLabels,
		"the PodDisruptionBudget": all[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget")[0].Spec.Selector.MatchLabels,
		"the metrics Service":     all[corev1.Service](t, objects, "Service")[0].Spec.Selector,
	}
	for who, labels := range selected {
		for key, value := range labels {
			if pod.Labels[key] != value {
				t.Errorf("%s selects %s=%s, the pods have %q", who, key, value, pod.Labels[key])
			}
		}
	}
}

func TestEveryGeneratedCustomResourceDefinitionIsInstalled(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(config, "crd", "bases"))
	if err != nil {
		t.Fatal(err)
	}
	generated := map[string]bool{}
	for _, entry := range entries {
		generated[entry.Name()] = true
	}
	installed := map[string]bool{}
	for _, object := range render(t, "crd") {
		plural, group, _ := strings.Cut(object.GetName(), ".")
		installed[fmt.Sprintf("%s_%s.yaml", group, plural)] = true
	}
	if diff := cmp.Diff(generated, installed); diff != "" {
		t.Errorf("generated (-) and installed (+) differ:\n%s", diff)
	}
}

func TestTheManagerUnderstandsItsConfigurationFile(t *testing.T) {
	if _, err := configfile.Load(filepath.Join(config, "manager", "config.yaml")); err != nil {
		t.Error(err)
	}
}

func TestTheManagerRunsUnderTheRestrictedPodSecurityStandard(t *testing.T) {
	deployment := all[appsv1.Deployment](t, render(t, "default"), "Deployment")[0]
	pod := deployment.Spec.Template.Spec
	if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot {
		t.Error("the pod may run as root")
	}
	if pod.SecurityContext == nil || pod.SecurityContext.SeccompProfile == nil ||
		pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("the pod has no seccomp profile")
	}
	for _, container := range pod.Containers {
		limits := container.SecurityContext
		if limits == nil || limits.AllowPrivilegeEscalation == nil || *limits.AllowPrivilegeEscalation ||
			limits.Capabilities == nil || !slices.Contains(limits.Capabilities.Drop, "ALL") {
			t.Errorf("container %s keeps privileges", container.Name)
		}
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
			t.Errorf("container %s does not bound its resources", container.Name)
		}
	}
}
