package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
)

// previousVariable names the version to upgrade from, as git knows it; see previous.
const previousVariable = "FLOTILLA_UPGRADE_FROM"

// git runs git in the repository and returns what it prints.
func git(ctx context.Context, root string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = root
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	printed, err := cmd.Output()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("git %s: %w", args[0], err), errors.New(complaint.String()))
	}
	return printed, nil
}

// previous is the commit of the previous version: the one that the environment names, or the newest release, or the first parent
// while there is none. Without git's history there is nothing to upgrade from.
func previous(t *testing.T) (root, commit string) {
	t.Helper()
	root, err := kubebin.Root()
	if err != nil {
		t.Fatal(err)
	}
	name := os.Getenv(previousVariable)
	if name == "" {
		name = "HEAD^"
		if tag, err := git(t.Context(), root, "describe", "--tags", "--match=v*", "--abbrev=0", "HEAD^"); err == nil {
			name = strings.TrimSpace(string(tag))
		}
	}
	printed, err := git(t.Context(), root, "rev-parse", "--verify", name+"^{commit}")
	if err != nil {
		if os.Getenv(previousVariable) != "" {
			t.Fatal(err)
		}
		t.Skipf("there is no previous version in this checkout: %v", err)
	}
	commit = strings.TrimSpace(string(printed))
	t.Logf("the previous version is %s (%s)", name, commit[:12])
	return root, commit
}

// build builds the manager of a commit, from an archive of it, and returns the program and the folder of its sources.
func build(t *testing.T, root, commit string) (program, sources string) {
	t.Helper()
	cache, err := kubebin.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// Always the same folder, so that Go's build cache knows what has not changed.
	sources = filepath.Join(cache, "previous")
	unlock, err := kubebin.Lock(t.Context(), sources+".lock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unlock)
	if err := os.RemoveAll(sources); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(sources, 0o755); err != nil {
		t.Fatal(err)
	}
	archive, err := git(t.Context(), root, "archive", "--format=tar", commit)
	if err != nil {
		t.Fatal(err)
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", sources)
	unpack.Stdin = bytes.NewReader(archive)
	if output, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpacking %s: %v\n%s", commit, err, output)
	}
	program = filepath.Join(t.TempDir(), "flotilla")
	if err := kubebin.Own(t.Context(), sources, ".", program); err != nil {
		t.Fatal(err)
	}
	return program, sources
}
