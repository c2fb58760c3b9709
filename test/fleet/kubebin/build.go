package kubebin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// layout is part of the key: raise it when the content of a set changes for the same versions.
const layout = "1"

// The programs of a set, as they are named in its bin folder.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kubectl           = "kubectl"
	Kwok              = "kwok"
)

// program is one of them with the package it is built from. The order is the build order: the first ones compile what
// the later ones share.
type program struct{ name, source string }

func programs() []program {
	return []program{
		{Etcd, "go.etcd.io/etcd/server/v3"},
		{APIServer, "k8s.io/kubernetes/cmd/kube-apiserver"},
		{ControllerManager, "k8s.io/kubernetes/cmd/kube-controller-manager"},
		{Scheduler, "k8s.io/kubernetes/cmd/kube-scheduler"},
		{Kubectl, "k8s.io/kubernetes/cmd/kubectl"},
		{Kwok, "sigs.k8s.io/kwok/cmd/kwok"},
	}
}

// stageFiles are the descriptions of a node's and a pod's life that kwok publishes and a fleet uses: nodes are ready at
// once and send heartbeats, pods run at once, those of a Job complete.
func stageFiles() []string {
	return []string{
		"node/fast/node-initialize.yaml",
		"node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
		"pod/fast/pod-ready.yaml",
		"pod/fast/pod-complete.yaml",
		"pod/fast/pod-delete.yaml",
	}
}

// Set is one complete set of programs.
type Set struct {
	// Dir is the folder of the set.
	Dir string
}

// Path is the absolute path of a program, for example of kubebin.Kubectl.
func (s Set) Path(name string) string {
	return filepath.Join(s.Dir, "bin", name)
}

// KwokStages is the configuration file for kwok with the stages of nodes and pods.
func (s Set) KwokStages() string {
	return filepath.Join(s.Dir, "kwok-stages.yaml")
}

// Ensure returns the set that the repository at root pins, after building it when it is missing. It writes one line per
// program to progress.
func Ensure(ctx context.Context, root string, progress io.Writer) (Set, error) {
	build := builder{module: filepath.Join(root, "test", "kube"), progress: progress}
	if err := build.describe(ctx); err != nil {
		return Set{}, err
	}
	cache, err := CacheDir()
	if err != nil {
		return Set{}, err
	}
	set := Set{Dir: filepath.Join(cache, "kube", build.key)}
	if _, err := os.Stat(set.Dir); err == nil {
		return set, nil
	}
	unlock, err := Lock(ctx, set.Dir+".lock")
	if err != nil {
		return Set{}, fmt.Errorf("waiting for another build of the Kubernetes programs: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(set.Dir); err == nil {
		return set, nil
	}
	return set, build.run(ctx, set)
}

// CacheDir is the folder for what all fleets of a user share: ${XDG_CACHE_HOME:-$HOME/.cache}/flotilla, or its
// equivalent on other systems.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache folder: %w", err)
	}
	return filepath.Join(cache, "flotilla"), nil
}

// builder builds the programs of one module.
type builder struct {
	module   string
	progress io.Writer
	ldflags  string
	key      string
}

// describe derives the link flags and the key from the module.
func (b *builder) describe(ctx context.Context) error {
	version, err := goTool(ctx, b.module, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	if err != nil {
		return fmt.Errorf("reading the pinned Kubernetes version: %w", err)
	}
	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(numbers) != 3 {
		return fmt.Errorf("reading the pinned Kubernetes version: %q is not a version", version)
	}
	b.ldflags = strings.Join([]string{
		"-s -w",
		"-X k8s.io/component-base/version.gitVersion=" + version,
		"-X k8s.io/component-base/version.gitMajor=" + numbers[0],
		"-X k8s.io/component-base/version.gitMinor=" + numbers[1],
		"-X k8s.io/client-go/pkg/version.gitVersion=" + version,
	}, " ")

	toolchain, err := goTool(ctx, b.module, "env", "GOVERSION", "GOOS", "GOARCH", "CGO_ENABLED")
	if err != nil {
		return fmt.Errorf("asking for the Go version: %w", err)
	}
	hash := sha256.New()
	for _, file := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(b.module, file))
		if err != nil {
			return fmt.Errorf("reading the pinned versions: %w", err)
		}
		hash.Write(content)
	}
	hash.Write([]byte(toolchain + b.ldflags + layout))
	b.key = fmt.Sprintf("%x", hash.Sum(nil))[:16]
	return nil
}

// run builds into a folder beside the set and moves it into place when everything is there.
func (b *builder) run(ctx context.Context, set Set) error {
	draft, err := os.MkdirTemp(filepath.Dir(set.Dir), ".building-")
	if err != nil {
		return fmt.Errorf("building the Kubernetes programs: %w", err)
	}
	defer func() { _ = os.RemoveAll(draft) }()
	unfinished := Set{Dir: draft}

	begin := time.Now()
	_, _ = fmt.Fprintf(b.progress, "building the Kubernetes programs into %s, which takes minutes once\n", set.Dir)
	list := programs()
	for i, p := range list {
		start := time.Now()
		if err := compile(ctx, b.module, unfinished.Path(p.name), "-ldflags", b.ldflags, p.source); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(b.progress, "  built %-24s %d/%d %5.0fs\n", p.name, i+1, len(list), time.Since(start).Seconds())
	}
	if err := b.collectStages(ctx, unfinished.KwokStages()); err != nil {
		return err
	}
	if err := os.Chmod(draft, 0o755); err != nil {
		return fmt.Errorf("publishing the Kubernetes programs: %w", err)
	}
	if err := os.Rename(draft, set.Dir); err != nil {
		return fmt.Errorf("publishing the Kubernetes programs: %w", err)
	}
	_, _ = fmt.Fprintf(b.progress, "  done %33.0fs\n", time.Since(begin).Seconds())
	return nil
}

// collectStages joins the stages that the pinned kwok publishes into one file.
func (b *builder) collectStages(ctx context.Context, file string) error {
	source, err := goTool(ctx, b.module, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok")
	if err != nil {
		return fmt.Errorf("finding the stages of kwok: %w", err)
	}
	var all bytes.Buffer
	for _, name := range stageFiles() {
		content, err := os.ReadFile(filepath.Join(source, "kustomize", "stage", filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("reading a stage of kwok: %w", err)
		}
		all.WriteString("---\n")
		all.Write(bytes.TrimSpace(content))
		all.WriteString("\n")
	}
	if err := os.WriteFile(file, all.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the stages of kwok: %w", err)
	}
	return nil
}

// compile runs go build in a module, with arguments that end in a package.
func compile(ctx context.Context, module, target string, args ...string) error {
	_, err := goTool(ctx, module, append([]string{"build", "-o", target}, args...)...)
	if err != nil {
		return fmt.Errorf("building %s: %w", filepath.Base(target), err)
	}
	return nil
}

// goTool runs the go command in a folder and returns what it prints, trimmed. An error carries what it complained about.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	printed, err := cmd.Output()
	if err != nil {
		return "", errors.Join(fmt.Errorf("go %s: %w", args[0], err), errors.New(strings.TrimSpace(complaint.String())))
	}
	return strings.TrimSpace(string(printed)), nil
}
