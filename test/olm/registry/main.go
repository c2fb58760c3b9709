// Command registry serves one bundle to the Operator Lifecycle Manager as a catalog, like `opm serve` does, but on
// one address of this machine only, and from the bundle's files instead of its image: no registry is needed.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing/fstest"

	"github.com/operator-framework/operator-registry/pkg/api"
	"github.com/operator-framework/operator-registry/pkg/cache"
	"github.com/operator-framework/operator-registry/pkg/server"
	"google.golang.org/grpc"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"sigs.k8s.io/yaml"
)

func main() {
	bundle := flag.String("bundle", "bundle", "the folder of the bundle")
	listen := flag.String("listen", "127.0.0.1:0", "where to serve")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bundle, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, bundle, listen string) error {
	catalog, err := describe(bundle)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "flotilla-catalog-")
	if err != nil {
		return fmt.Errorf("creating the folder of the catalog: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	store, err := cache.New(work)
	if err != nil {
		return fmt.Errorf("opening the catalog: %w", err)
	}
	defer func() { _ = store.Close() }()
	files := fstest.MapFS{"catalog.json": {Data: catalog, Mode: 0o644}}
	if err := cache.LoadOrRebuild(ctx, store, files); err != nil {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("serving the catalog: %w", err)
	}
	registry := grpc.NewServer()
	api.RegisterRegistryServer(registry, server.NewRegistryServer(store))
	health.RegisterHealthServer(registry, server.NewHealthServer())
	context.AfterFunc(ctx, registry.Stop)
	return registry.Serve(listener)
}

// property is a fact about a bundle in a catalog.
type property struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// clusterServiceVersion is what a catalog repeats of one.
type clusterServiceVersion struct {
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Version     string `json:"version"`
		Replaces    string `json:"replaces"`
		Definitions struct {
			Owned []struct{ Name, Kind, Version string } `json:"owned"`
		} `json:"customresourcedefinitions"`
	} `json:"spec"`
}

// describe makes a file-based catalog with one package, one channel and one bundle whose objects are part of it.
func describe(bundle string) ([]byte, error) {
	annotations, err := readAnnotations(bundle)
	if err != nil {
		return nil, err
	}
	name := annotations["operators.operatorframework.io.bundle.package.v1"]
	channel := annotations["operators.operatorframework.io.bundle.channel.default.v1"]
	files, err := filepath.Glob(filepath.Join(bundle, "manifests", "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("finding the manifests in %s: %w", bundle, err)
	}
	var csv clusterServiceVersion
	var objects []property
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		object, err := yaml.YAMLToJSON(content)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		objects = append(objects, property{"olm.bundle.object", map[string]string{"data": base64.StdEncoding.EncodeToString(object)}})
		if strings.HasSuffix(file, ".clusterserviceversion.yaml") {
			if err := json.Unmarshal(object, &csv); err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
		}
	}
	properties := []property{{"olm.package", map[string]string{"packageName": name, "version": csv.Spec.Version}}}
	for _, owned := range csv.Spec.Definitions.Owned {
		_, group, _ := strings.Cut(owned.Name, ".")
		properties = append(properties, property{"olm.gvk", map[string]string{"group": group, "kind": owned.Kind, "version": owned.Version}})
	}
	return encode(
		map[string]any{"schema": "olm.package", "name": name, "defaultChannel": channel},
		map[string]any{"schema": "olm.channel", "package": name, "name": channel, "entries": []any{map[string]any{
			"name": csv.Metadata.Name, "replaces": csv.Spec.Replaces, "skipRange": csv.Metadata.Annotations["olm.skipRange"],
		}}},
		map[string]any{
			"schema": "olm.bundle", "package": name, "name": csv.Metadata.Name, "properties": append(properties, objects...),
		},
	)
}

func readAnnotations(bundle string) (map[string]string, error) {
	content, err := os.ReadFile(filepath.Join(bundle, "metadata", "annotations.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the annotations: %w", err)
	}
	var file struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("reading the annotations: %w", err)
	}
	return file.Annotations, nil
}

// encode writes one JSON document after the other.
func encode(documents ...map[string]any) ([]byte, error) {
	var text bytes.Buffer
	for _, document := range documents {
		if err := json.NewEncoder(&text).Encode(document); err != nil {
			return nil, fmt.Errorf("encoding the catalog: %w", err)
		}
	}
	return text.Bytes(), nil
}
