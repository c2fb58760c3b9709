package olm

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// lifecycleManager is the module whose operators and definitions are used; test/olm pins its version.
const lifecycleManager = "github.com/operator-framework/operator-lifecycle-manager"

// workshop builds and runs programs beside a fleet. They end with it, because they are on its record.
type workshop struct {
	fleet *local.Fleet
	root  string
}

func newWorkshop(t *testing.T, fleet *local.Fleet) workshop {
	t.Helper()
	root, err := kubebin.Root()
	if err != nil {
		t.Fatal(err)
	}
	return workshop{fleet: fleet, root: root}
}

func (w workshop) table() process.Table {
	return process.Table{PIDs: filepath.Join(w.fleet.Dir(), "pids"), Logs: filepath.Join(w.fleet.Dir(), "logs")}
}

// build builds a program of a module of the repository and returns its path. What is built already may be running.
func (w workshop) build(t *testing.T, name, module, source string) string {
	t.Helper()
	begin := time.Now()
	target := filepath.Join(w.fleet.Dir(), "bin", name)
	if _, err := os.Stat(target); err == nil {
		return target
	}
	if err := kubebin.Own(t.Context(), filepath.Join(w.root, module), source, target); err != nil {
		t.Fatal(err)
	}
	t.Logf("built %s in %.0fs", name, time.Since(begin).Seconds())
	return target
}

// start runs a program until stop or the end of the test, with more variables in its environment.
func (w workshop) start(t *testing.T, name, program string, environment []string, args ...string) (stop func()) {
	t.Helper()
	spec := process.Spec{Name: name, Path: "/usr/bin/env", Args: append(append(environment, program), args...)}
	ended, err := w.table().Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	stopping, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told) // what it says belongs to the test
		<-ended
		select {
		case <-stopping:
		default:
			t.Errorf("%s ended:\n%s", name, w.table().LogTail(name))
		}
	}()
	stop = sync.OnceFunc(func() {
		close(stopping)
		if err := w.table().Stop(context.Background(), 10*time.Second, name); err != nil {
			t.Errorf("stopping %s: %v", name, err)
			return
		}
		<-told
	})
	t.Cleanup(stop)
	return stop
}

// run runs a program to its end and returns what it printed.
func (w workshop) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, output)
	}
	return string(output)
}

// definitions is the folder with OLM's own definitions.
func (w workshop) definitions(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", lifecycleManager)
	cmd.Dir = filepath.Join(w.root, "test", "olm")
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("finding OLM's definitions: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(output)), "deploy", "chart", "crds")
}

// startOperators runs OLM's two operators. Both want to serve metrics on port 8080 of every address and go on when they
// cannot: whoever holds the port on loopback keeps them from it.
func (w workshop) startOperators(t *testing.T, host *local.Cluster) {
	t.Helper()
	if held, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil {
		t.Cleanup(func() { _ = held.Close() })
	}
	olm := w.build(t, "olm", "test/olm", lifecycleManager+"/cmd/olm")
	catalog := w.build(t, "catalog", "test/olm", lifecycleManager+"/cmd/catalog")
	environment := []string{"KUBECONFIG=" + host.Kubeconfig}
	w.start(t, "olm-operator", olm, environment, "--namespace=olm")
	w.start(t, "catalog-operator", catalog, environment, "--namespace=olm", "--interval=1m")
}

// startCatalog serves a bundle and returns the address.
func (w workshop) startCatalog(t *testing.T, name, bundle string) string {
	t.Helper()
	registry, address := w.build(t, "registry", "test/olm", "./registry"), local.Address(t)
	w.start(t, name, registry, nil, "--bundle="+bundle, "--listen="+address)
	local.Eventually(t, 30*time.Second, func(ctx context.Context) error {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", name, err)
		}
		return connection.Close()
	})
	return address
}

// bundle makes the bundle of another release.
func (w workshop) bundle(t *testing.T, version, replaces, image string) string {
	t.Helper()
	release, target := w.build(t, "release", "internal/release", "."), t.TempDir()
	w.run(t, release, "bundle", "--root", w.root, "--output", target, "--version", version, "--replaces", replaces, "--image", image)
	return filepath.Join(target, "bundle")
}

// write puts a file into the folder of the fleet.
func (w workshop) write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(w.fleet.Dir(), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
