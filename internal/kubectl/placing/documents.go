package placing

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// document is one object of a file.
type document struct {
	// source says where it is, for errors: "policy.yaml, document 2".
	source string
	object *unstructured.Unstructured
}

func (d document) kind() schema.GroupKind { return d.object.GroupVersionKind().GroupKind() }

// readDocuments reads the objects of files in YAML or JSON; "-" is stdin. Lists are taken apart.
func readDocuments(paths []string, stdin io.Reader) ([]document, error) {
	var documents []document
	for _, path := range paths {
		read, err := readFile(path, stdin)
		if err != nil {
			return nil, err
		}
		if path == "-" {
			stdin = bytes.NewReader(nil) // it can be read only once
		}
		if len(read) == 0 {
			return nil, fmt.Errorf("%s: holds no object", nameOf(path))
		}
		documents = append(documents, read...)
	}
	return documents, nil
}

func nameOf(path string) string {
	if path == "-" {
		return "stdin"
	}
	return path
}

func readFile(path string, stdin io.Reader) ([]document, error) {
	if path == "-" {
		return parseDocuments(nameOf(path), stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading what to simulate: %w", err)
	}
	defer func() { _ = file.Close() }()
	return parseDocuments(path, file)
}

// parseDocuments takes a stream of documents apart; empty ones do not count, but are numbered.
func parseDocuments(name string, in io.Reader) ([]document, error) {
	var documents []document
	reader := utilyaml.NewYAMLReader(bufio.NewReader(in))
	for number := 1; ; number++ {
		source := fmt.Sprintf("%s, document %d", name, number)
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		parsed, err := parseDocument(source, text)
		if err != nil {
			return nil, err
		}
		documents = append(documents, parsed...)
	}
}

func parseDocument(source string, text []byte) ([]document, error) {
	content, err := utilyaml.ToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	if content = bytes.TrimSpace(content); len(content) == 0 || bytes.Equal(content, []byte("null")) {
		return nil, nil
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(content); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	if !object.IsList() {
		return named(document{source, object})
	}
	list, err := object.ToList()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	var documents []document
	for i := range list.Items {
		one, err := named(document{fmt.Sprintf("%s, item %d", source, i+1), &list.Items[i]})
		if err != nil {
			return nil, err
		}
		documents = append(documents, one...)
	}
	return documents, nil
}

func named(d document) ([]document, error) {
	if d.object.GetName() == "" {
		return nil, fmt.Errorf("%s: a %s without metadata.name", d.source, d.object.GetKind())
	}
	return []document{d}, nil
}

// sorted are documents by what they are to a simulation.
type sorted struct {
	policies  []v1alpha1.Policy
	templates []*unstructured.Unstructured
	ignored   []string // why other documents have no part in it
}

// sortOut tells policies from templates. What has no namespace gets the default one, when its kind has namespaces.
func sortOut(documents []document, namespaced func(schema.GroupVersionKind) bool, namespace string) (sorted, error) {
	var s sorted
	for _, d := range documents {
		if d.object.GetNamespace() == "" && d.kind() != kindNamed("Cluster") && namespaced(d.object.GroupVersionKind()) {
			d.object.SetNamespace(namespace)
		}
		switch d.kind() {
		case kindNamed(policymatch.NamespacedKind), kindNamed(policymatch.ClusterKind):
			policy, err := policyOf(d)
			if err != nil {
				return s, err
			}
			s.policies = append(s.policies, policy)
		case kindNamed("Cluster"):
			return s, fmt.Errorf("%s: a Cluster: give the file of the clusters with --cluster-file", d.source)
		default:
			if !d.holdsTemplate() {
				s.ignored = append(s.ignored, fmt.Sprintf("%s: a %s has no part in a placement.", d.source, d.kind().Kind))
				continue
			}
			s.templates = append(s.templates, templates.Of(d.object))
		}
	}
	return s, nil
}

// holdsTemplate says whether a document is a template, native or wrapped.
func (d document) holdsTemplate() bool {
	return d.kind().Group != v1alpha1.GroupVersion.Group || templates.IsWrapper(d.object.GroupVersionKind())
}

func kindNamed(kind string) schema.GroupKind {
	return schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: kind}
}

func policyOf(d document) (v1alpha1.Policy, error) {
	defaultMinimums(d.object)
	if d.object.GetKind() == policymatch.ClusterKind {
		policy := &v1alpha1.ClusterPropagationPolicy{}
		return policy, convert(d, policy)
	}
	policy := &v1alpha1.PropagationPolicy{}
	return policy, convert(d, policy)
}

// convert refuses fields that the kind does not have: a field with a typing error would otherwise mean nothing.
func convert(d document, into any) error {
	if version := d.object.GroupVersionKind().Version; version != v1alpha1.GroupVersion.Version {
		return fmt.Errorf("%s: apiVersion %s is not known: use %s", d.source, d.object.GetAPIVersion(), v1alpha1.GroupVersion)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(d.object.Object, into, true); err != nil {
		return fmt.Errorf("%s: %s %s: %w", d.source, d.object.GetKind(), d.object.GetName(), err)
	}
	return nil
}

// defaultMinimums does what the host's API server would: a spread constraint without minGroups has 1. The other
// defaults of a placement are those of the engine.
func defaultMinimums(policy *unstructured.Unstructured) {
	constraints, found, err := unstructured.NestedFieldNoCopy(policy.Object, "spec", "placement", "spreadConstraints")
	list, ok := constraints.([]any)
	if err != nil || !found || !ok {
		return
	}
	for _, item := range list {
		if fields, ok := item.(map[string]any); ok && fields["minGroups"] == nil {
			fields["minGroups"] = int64(1)
		}
	}
}

// clustersOf reads the clusters that take the fleet's place.
func clustersOf(documents []document) ([]*v1alpha1.Cluster, error) {
	clusters := make([]*v1alpha1.Cluster, 0, len(documents))
	seen := map[string]bool{}
	for _, d := range documents {
		if d.kind() != kindNamed("Cluster") {
			return nil, fmt.Errorf("%s: a %s: only Clusters belong into --cluster-file", d.source, d.object.GetKind())
		}
		cluster := &v1alpha1.Cluster{}
		if err := convert(d, cluster); err != nil {
			return nil, err
		}
		if seen[cluster.Name] {
			return nil, fmt.Errorf("%s: the Cluster %s is there twice", d.source, cluster.Name)
		}
		seen[cluster.Name] = true
		clusters = append(clusters, cluster)
	}
	return clusters, nil
}

// withoutNamespace are the kinds that are known to have no namespace when there is no host to ask.
var withoutNamespace = map[schema.GroupKind]bool{
	{Kind: "Namespace"}:        true,
	{Kind: "PersistentVolume"}: true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                  true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:           true,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                            true,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                        true,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                         true,
	{Group: "node.k8s.io", Kind: "RuntimeClass"}:                               true,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:          true,
	{Group: v1alpha1.GroupVersion.Group, Kind: policymatch.ClusterKind}:        true,
	{Group: v1alpha1.GroupVersion.Group, Kind: "ClusterOverridePolicy"}:        true,
	{Group: v1alpha1.GroupVersion.Group, Kind: "WorkloadRebalancer"}:           true,
	{Group: v1alpha1.GroupVersion.Group, Kind: "ClusterResourceTemplate"}:      true,
	{Group: v1alpha1.GroupVersion.Group, Kind: "ClusterTaintPolicy"}:           true,
	{Group: v1alpha1.GroupVersion.Group, Kind: "ResourceInterpreter"}:          true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"}: true,
}
