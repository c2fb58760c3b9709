package upgrade

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// bed has managers whose configuration a test may replace, together with their program.
var bed = local.Bed{
	Options:            local.Options{Members: 2, Nodes: 3, Managers: 2},
	DenialsMeanNothing: "the version before may ask for rights that this one does without, and runs until it is replaced",
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "flotilla-upgrade-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	root, err := kubebin.Root()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bed.Options.ManagerConfig = filepath.Join(dir, "manager.yaml")
	if err := place(configuration(root), bed.Options.ManagerConfig); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return bed.Run(m)
}

// configuration is the managers' configuration that a version installs.
func configuration(sources string) string {
	return filepath.Join(sources, "config", "manager", "config.yaml")
}

// place puts a copy of a file at target, also where that is a program that runs.
func place(file, target string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	draft := target + ".draft"
	if err := os.WriteFile(draft, content, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(draft, target)
}
