package local

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/rights"
)

// DirVariable names the environment variable with the folder of a running fleet that tests use instead of starting one.
const DirVariable = "FLOTILLA_FLEET_DIR"

// Bed gives all tests of one binary the same fleet. It starts with the first test that asks for it, so that running a
// single test that needs none costs nothing, and it ends with the binary, also when that panics, runs into its timeout
// or is killed: a guard process watches it.
//
//	var bed = local.Bed{Options: local.Options{Members: 1}}
//
//	func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }
//
//	func TestX(t *testing.T) { fleet := bed.Fleet(t) ... }
type Bed struct {
	// Options is the fleet that is wanted. Dir must be empty: it is a new temporary folder.
	Options Options
	// TemplateRules are what the host's administrator lets managers do with templates besides what config/ does: kinds that only
	// these tests know. They hold from the beginning, as where somebody installs such a kind before anybody uses it.
	TemplateRules []rbacv1.PolicyRule
	// InstalledIn is the member that the tests install Flotilla in; empty when it is the host of the fleet.
	InstalledIn string
	// MayBeDenied are requests of managers that may be denied, beside rights.Always. Any other denial fails the tests.
	MayBeDenied []rights.Exception
	// DenialsMeanNothing says why managers may be denied anything; empty when they may not.
	DenialsMeanNothing string

	once    sync.Once
	fleet   *Fleet
	err     error
	cleanup []func(failed bool)
}

// Run runs the tests and then stops the fleet. When tests failed, its logs stay. It returns the code for os.Exit.
func (b *Bed) Run(m *testing.M) int {
	code := m.Run()
	if err := b.rights(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	b.End(code != 0)
	return code
}

// rights looks at what the managers of a fleet of our own asked for. A fleet that others started has more in its logs than these
// tests.
func (b *Bed) rights() error {
	if b.fleet == nil || os.Getenv(DirVariable) != "" || b.DenialsMeanNothing != "" {
		return nil
	}
	cluster := b.fleet.Host
	if b.InstalledIn != "" {
		cluster = b.fleet.Member(b.InstalledIn)
	}
	return checkRights(context.Background(), cluster, b.MayBeDenied)
}

// End stops the fleet, if it was started, for tests with several fleets one after the other; Run does so otherwise. When
// tests failed, its logs stay. It may be repeated.
func (b *Bed) End(failed bool) {
	for i := len(b.cleanup) - 1; i >= 0; i-- {
		b.cleanup[i](failed)
	}
	b.cleanup = nil
}

// Fleet returns the fleet, after starting it when this is the first call. A fleet that cannot be had fails the test.
func (b *Bed) Fleet(t testing.TB) *Fleet {
	t.Helper()
	b.once.Do(func() {
		if dir := os.Getenv(DirVariable); dir != "" {
			b.fleet, b.err = b.borrow(dir)
		} else {
			// The fleet belongs to all tests, so not to the context of the first one.
			b.fleet, b.err = b.up(context.Background())
		}
		if b.err == nil && len(b.TemplateRules) > 0 {
			b.err = rights.AllowTemplates(context.Background(), b.fleet.Host.client, b.TemplateRules)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.fleet
}

// borrow opens a fleet that somebody else started, if it has what is wanted.
func (b *Bed) borrow(dir string) (*Fleet, error) {
	fleet, err := Open(dir)
	if err != nil {
		return nil, fmt.Errorf("using %s: %w", DirVariable, err)
	}
	if len(fleet.Members) < b.Options.Members || len(fleet.state.Managers) < b.Options.Managers {
		return nil, fmt.Errorf("using %s: the fleet in %s has %d members and %d managers, these tests need %d and %d",
			DirVariable, dir, len(fleet.Members), len(fleet.state.Managers), b.Options.Members, b.Options.Managers)
	}
	return fleet, nil
}

func (b *Bed) up(ctx context.Context) (*Fleet, error) {
	dir, err := os.MkdirTemp("", "flotilla-fleet-")
	if err != nil {
		return nil, fmt.Errorf("creating the folder of the fleet: %w", err)
	}
	options := b.Options
	options.Dir = filepath.Join(dir, "fleet")
	if options.Progress == nil {
		options.Progress = os.Stderr
	}
	b.cleanup = append(b.cleanup, func(failed bool) {
		if failed {
			_, _ = fmt.Fprintf(options.Progress, "the logs of the fleet are in %s\n", filepath.Join(options.Dir, logsDir))
			return
		}
		_ = os.RemoveAll(dir)
	})
	release, err := guard(ctx, dir, options.Dir)
	if err != nil {
		return nil, err
	}
	b.cleanup = append(b.cleanup, func(bool) { release() })
	return Up(ctx, options)
}

// guard starts a process that stops the fleet once this one is gone, or the returned function is called, which waits
// for that.
func guard(ctx context.Context, dir, fleetDir string) (func(), error) {
	root, err := kubebin.Root()
	if err != nil {
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	program := filepath.Join(dir, "guard")
	if err := kubebin.Own(ctx, root, "./test/fleet", program); err != nil {
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	cmd := exec.Command(program, "guard", "--dir", fleetDir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	return func() { stopGuard(cmd, pipe) }, nil
}

func stopGuard(cmd *exec.Cmd, pipe io.Closer) {
	_ = pipe.Close()
	if err := cmd.Wait(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "stopping the fleet: %v\n", err)
	}
}
