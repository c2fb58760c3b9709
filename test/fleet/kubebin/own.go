package kubebin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// modulePath is the first line of the root module's go.mod, by which the repository is recognised.
const modulePath = "module github.com/flotilla-dev/flotilla\n"

// Root finds the repository: the closest folder, from the working directory upwards, that holds the root module.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), modulePath) {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("finding the repository: run this in a checkout of Flotilla")
		}
		dir = filepath.Dir(dir)
	}
}

// Own builds a program of the repository at root and puts it at target. A copy per checkout stays in the cache, which
// the linker leaves alone while it is up to date.
func Own(ctx context.Context, root, source, target string) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	cached := filepath.Join(cache, "own", fmt.Sprintf("%x", sha256.Sum256([]byte(root)))[:16], filepath.Base(target))
	unlock, err := Lock(ctx, cached+".lock")
	if err != nil {
		return fmt.Errorf("waiting for another build of %s: %w", filepath.Base(target), err)
	}
	defer unlock()
	if err := compile(ctx, root, cached, source); err != nil {
		return err
	}
	return copyProgram(cached, target)
}

func copyProgram(from, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("copying %s: %w", filepath.Base(to), err)
	}
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copying %s: %w", filepath.Base(to), err)
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("copying %s: %w", filepath.Base(to), err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if _, err := io.Copy(target, source); err != nil {
		return fmt.Errorf("copying %s: %w", filepath.Base(to), err)
	}
	return nil
}
