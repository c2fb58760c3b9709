package kubebin

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// newModule writes a module with one program and gives the test a cache of its own.
func newModule(t *testing.T, program string) string {
	t.Helper()
	// What Go has built already stays within reach.
	goCache, err := goTool(t.Context(), t.TempDir(), "env", "GOCACHE")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", goCache)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	root := t.TempDir()
	for name, content := range map[string]string{"go.mod": modulePath + "\ngo 1.26\n", "main.go": program} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestOwnProgramsAreBuiltOnceForSeveralAtTheSameTime(t *testing.T) {
	root := newModule(t, "package main\n\nfunc main() { println(\"ahoy\") }\n")
	dir := t.TempDir()
	var group errgroup.Group
	for _, fleet := range []string{"a", "b", "c"} {
		group.Go(func() error { return Own(t.Context(), root, ".", filepath.Join(dir, fleet, "ship")) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, fleet := range []string{"a", "b", "c"} {
		got, err := exec.Command(filepath.Join(dir, fleet, "ship")).CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("ahoy\n", string(got)); diff != "" {
			t.Errorf("output of the program (-want +got):\n%s", diff)
		}
	}
}

func TestAProgramThatDoesNotCompileIsReportedWithTheComplaint(t *testing.T) {
	root := newModule(t, "package main\n\nfunc main() { sink() }\n")
	target := filepath.Join(t.TempDir(), "ship")
	err := Own(t.Context(), root, ".", target)
	if err == nil || !strings.Contains(err.Error(), "undefined: sink") {
		t.Errorf("got error %v, want the compiler's", err)
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the target of a failed build: got %v, want that there is none", err)
	}
}

func TestAnInterruptedBuildLeavesNoSetAndNoDraft(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(cache, "kube"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said strings.Builder
	build := builder{module: t.TempDir(), progress: &said}
	if err := build.run(ctx, Set{Dir: filepath.Join(cache, "kube", "key")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
	left, err := os.ReadDir(filepath.Join(cache, "kube"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("the cache holds %v, want nothing", left)
	}
}

func TestALockIsHeldByOneAtATime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "lock")
	unlock, err := Lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 3*lockInterval)
	defer cancel()
	if _, err := Lock(short, file); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locking what is locked: got error %v, want that the time ran out", err)
	}
	unlock()
	long, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	again, err := Lock(long, file)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestTheRepositoryIsFoundFromAnyFolderInIt(t *testing.T) {
	root := newModule(t, "package main\n")
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	got, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(root, got); diff != "" {
		t.Errorf("root (-want +got):\n%s", diff)
	}
	t.Chdir(t.TempDir())
	if _, err := Root(); err == nil || !strings.Contains(err.Error(), "checkout of Flotilla") {
		t.Errorf("outside of a repository: got error %v", err)
	}
}
