package bundle

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/operator-framework/api/pkg/operators/v1alpha1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// manifestsDir is where people write for catalogs.
const manifestsDir = "config/manifests"

// describe makes the ClusterServiceVersion: what people wrote, and what can be derived.
func describe(options Options, content inventory) (map[string]any, error) {
	csv, err := base(options)
	if err != nil {
		return nil, err
	}
	examples, err := examples(options.Root)
	if err != nil {
		return nil, err
	}
	csv.Name = csvName(options.Version)
	csv.Annotations["alm-examples"] = examples
	csv.Annotations["containerImage"] = options.Image
	// Whatever came before may go straight to this release: the API has no version yet that would need a step between.
	csv.Annotations["olm.skipRange"] = "<" + options.Version
	csv.Spec.Replaces = csvName(options.Replaces)
	if err := csv.Spec.Version.UnmarshalJSON([]byte(`"` + options.Version + `"`)); err != nil {
		return nil, fmt.Errorf("reading the version: %w", err)
	}
	csv.Spec.RelatedImages = []v1alpha1.RelatedImage{{Name: "manager", Image: options.Image}}
	csv.Spec.InstallStrategy = strategy(content)
	if csv.Spec.CustomResourceDefinitions.Owned, err = owned(csv.Spec.CustomResourceDefinitions.Owned, content.definitions); err != nil {
		return nil, err
	}
	return plain(csv)
}

// base reads what people wrote, with the icon beside it.
func base(options Options) (*v1alpha1.ClusterServiceVersion, error) {
	folder := filepath.Join(options.Root, manifestsDir)
	text, err := os.ReadFile(filepath.Join(folder, "base.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the base: %w", err)
	}
	csv := &v1alpha1.ClusterServiceVersion{}
	if err := yaml.UnmarshalStrict(text, csv); err != nil {
		return nil, fmt.Errorf("reading the base: %w", err)
	}
	icon, err := os.ReadFile(filepath.Join(folder, "icon.svg"))
	if err != nil {
		return nil, fmt.Errorf("reading the icon: %w", err)
	}
	csv.Spec.Icon = []v1alpha1.Icon{{Data: base64.StdEncoding.EncodeToString(icon), MediaType: "image/svg+xml"}}
	return csv, nil
}

// strategy says what OLM runs, and as whom.
func strategy(content inventory) v1alpha1.NamedInstallStrategy {
	details := v1alpha1.StrategyDetailsDeployment{
		Permissions:        permissions(content.rights.namespaced),
		ClusterPermissions: permissions(content.rights.cluster),
	}
	for _, deployment := range content.deployments {
		details.DeploymentSpecs = append(details.DeploymentSpecs, v1alpha1.StrategyDeploymentSpec{
			Name: deployment.Name, Label: deployment.Labels, Spec: deployment.Spec,
		})
	}
	return v1alpha1.NamedInstallStrategy{StrategyName: v1alpha1.InstallStrategyNameDeployment, StrategySpec: details}
}

func permissions(rules map[string][]rbacv1.PolicyRule) []v1alpha1.StrategyDeploymentPermissions {
	var granted []v1alpha1.StrategyDeploymentPermissions
	for _, account := range slices.Sorted(maps.Keys(rules)) {
		granted = append(granted, v1alpha1.StrategyDeploymentPermissions{ServiceAccountName: account, Rules: rules[account]})
	}
	return granted
}

// plain is the CSV as a file holds it: without what only a cluster fills in, and without the traces of Go's zero values.
func plain(csv *v1alpha1.ClusterServiceVersion) (map[string]any, error) {
	text, err := json.Marshal(csv)
	if err != nil {
		return nil, fmt.Errorf("encoding the description: %w", err)
	}
	object := map[string]any{}
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("encoding the description: %w", err)
	}
	delete(object, "status")
	for _, empty := range []string{"apiservicedefinitions", "cleanup"} {
		unstructured.RemoveNestedField(object, "spec", empty)
	}
	withoutNull(object)
	return object, nil
}

// withoutNull takes away what Go writes for a time that is not known.
func withoutNull(value any) {
	switch value := value.(type) {
	case map[string]any:
		maps.DeleteFunc(value, func(_ string, entry any) bool { return entry == nil })
		for _, entry := range value {
			withoutNull(entry)
		}
	case []any:
		for _, entry := range value {
			withoutNull(entry)
		}
	}
}
