package admission

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// yamlBufferSize is how far the decoder looks ahead to tell JSON from YAML, in bytes.
const yamlBufferSize = 4096

// readPolicies returns the objects of every YAML file under files, in the order of the files' paths.
func readPolicies(files fs.FS) ([]*unstructured.Unstructured, error) {
	var policies []*unstructured.Unstructured
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return fmt.Errorf("reading the admission policies of %s: %w", path, err)
		}
		found, err := decodePolicies(content)
		if err != nil {
			return fmt.Errorf("decoding the admission policies of %s: %w", path, err)
		}
		policies = append(policies, found...)
		return nil
	})
	return policies, err
}

func decodePolicies(content []byte) ([]*unstructured.Unstructured, error) {
	var policies []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), yamlBufferSize)
	for {
		policy := &unstructured.Unstructured{}
		err := decoder.Decode(policy)
		if errors.Is(err, io.EOF) {
			return policies, nil
		}
		if err != nil {
			return nil, err
		}
		policies = append(policies, policy)
	}
}
