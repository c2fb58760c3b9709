package bundle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// dropped are the kinds of config/default that no bundle can hold, and who makes them instead.
var dropped = map[string]string{
	"Namespace":                        "the user chooses it; a console suggests flotilla-system",
	"ServiceAccount":                   "OLM makes those that permissions name",
	"ValidatingAdmissionPolicy":        "those that bound the manager are applied by the user (docs/olm.md)",
	"ValidatingAdmissionPolicyBinding": "those that bound the manager are applied by the user (docs/olm.md)",
}

// allowed are the kinds that OLM installs from a bundle besides the CSV and CRDs, as operator-registry lists them.
var allowed = []string{
	"ClusterRole", "ClusterRoleBinding", "ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "PriorityClass",
	"PrometheusRule", "Role", "RoleBinding", "Secret", "Service", "ServiceMonitor",
}

// inventory is config/default, sorted by what becomes of it.
type inventory struct {
	// deployments go into the CSV.
	deployments []appsv1.Deployment
	// rights are what the CSV grants, by ServiceAccount.
	rights rights
	// definitions are the CRDs, which the bundle holds as they are.
	definitions []*unstructured.Unstructured
	// manifests are what else the bundle holds as it is.
	manifests []*unstructured.Unstructured
}

// render renders config/default with the image of the release, and sorts what comes out.
func render(options Options) (inventory, error) {
	folder := filepath.Join(options.Root, "config", "default")
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return inventory{}, fmt.Errorf("rendering %s: %w", folder, err)
	}
	var objects []*unstructured.Unstructured
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return inventory{}, fmt.Errorf("rendering %s: %w", folder, err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			return inventory{}, fmt.Errorf("rendering %s: %w", folder, err)
		}
		objects = append(objects, object)
	}
	return sort(objects, options.Image)
}

// sort says what becomes of each object.
func sort(objects []*unstructured.Unstructured, image string) (inventory, error) {
	var found inventory
	for _, object := range objects {
		kind := object.GetKind()
		switch {
		case dropped[kind] != "":
		case kind == "CustomResourceDefinition":
			found.definitions = append(found.definitions, object)
		case kind == "Deployment":
			var deployment appsv1.Deployment
			if err := typed(object, &deployment); err != nil {
				return inventory{}, err
			}
			for i := range deployment.Spec.Template.Spec.Containers {
				deployment.Spec.Template.Spec.Containers[i].Image = image
			}
			found.deployments = append(found.deployments, deployment)
		case slices.Contains(allowed, kind):
			found.manifests = append(found.manifests, object)
		default:
			return inventory{}, fmt.Errorf("a bundle has no place for the %s %s", kind, object.GetName())
		}
	}
	var err error
	found.rights, found.manifests, err = grant(found.manifests, accounts(found.deployments))
	return found, err
}

// accounts are the ServiceAccounts that the Deployments run as.
func accounts(deployments []appsv1.Deployment) []string {
	var names []string
	for _, deployment := range deployments {
		names = append(names, deployment.Spec.Template.Spec.ServiceAccountName)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// typed decodes an object; a field that the type does not have is an error.
func typed(object *unstructured.Unstructured, into any) error {
	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, into, true)
	if err != nil {
		return fmt.Errorf("reading the %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// fileName is where an object is in the bundle, as operator-sdk names it.
func fileName(object *unstructured.Unstructured) string {
	name := strings.ReplaceAll(object.GetName(), ":", "-")
	group := object.GroupVersionKind().Group
	if object.GetKind() == "CustomResourceDefinition" {
		plural, group, _ := strings.Cut(name, ".")
		return group + "_" + plural + ".yaml"
	}
	parts := []string{name, group, object.GroupVersionKind().Version, strings.ToLower(object.GetKind())}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" || part == rbacv1.GroupName }), "_") + ".yaml"
}
