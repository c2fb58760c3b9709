package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// packageName is what users subscribe to.
	packageName = "flotilla"
	// channel is where releases appear before there is a stable API.
	channel = "candidate-v1alpha1"
)

// Options say which release the bundle is for.
type Options struct {
	// Root is the folder of the repository.
	Root string
	// Version is the release without a leading v, for example 0.1.0.
	Version string
	// Image is the manager's image of that release.
	Image string
	// Replaces is the release before it, for example 0.0.9; empty for the first one of the channel.
	Replaces string
}

// Files returns the content of all files of the bundle, by their path relative to the root of the repository.
func Files(options Options) (map[string][]byte, error) {
	content, err := render(options)
	if err != nil {
		return nil, err
	}
	description, err := describe(options, content)
	if err != nil {
		return nil, fmt.Errorf("describing the release: %w", err)
	}
	files := map[string][]byte{}
	csv, err := document(description)
	if err != nil {
		return nil, err
	}
	files["bundle/manifests/"+packageName+".clusterserviceversion.yaml"] = csv
	for _, object := range append(content.definitions, content.manifests...) {
		object.SetNamespace("") // it is the one that the user installs into
		encoded, err := document(object.Object)
		if err != nil {
			return nil, err
		}
		name := "bundle/manifests/" + fileName(object)
		if _, taken := files[name]; taken {
			return nil, fmt.Errorf("two objects want the file %s", name)
		}
		files[name] = encoded
	}
	for name, value := range map[string]any{
		"bundle/metadata/annotations.yaml":   map[string]any{"annotations": annotations()},
		"bundle/tests/scorecard/config.yaml": scorecard(),
	} {
		if files[name], err = document(value); err != nil {
			return nil, err
		}
	}
	files["bundle.Dockerfile"] = dockerfile()
	return files, nil
}

// Write replaces the bundle in a folder, which is the root of the repository or anywhere else.
func Write(options Options, target string) error {
	files, err := Files(options)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(target, "bundle")); err != nil {
		return fmt.Errorf("clearing the bundle: %w", err)
	}
	for name, content := range files {
		file := filepath.Join(target, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, 0o644))
		if err != nil {
			return fmt.Errorf("writing the bundle: %w", err)
		}
	}
	return nil
}

// document encodes a file of the bundle; the order of keys is that of the alphabet.
func document(value any) ([]byte, error) {
	encoded, err := yaml.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return append([]byte("# Made by `make bundle`; edit config/ instead.\n"), bytes.TrimPrefix(encoded, []byte("---\n"))...), nil
}

func csvName(version string) string {
	if version == "" {
		return ""
	}
	return packageName + ".v" + strings.TrimPrefix(version, "v")
}
