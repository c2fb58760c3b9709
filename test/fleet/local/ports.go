package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
)

// Ports are taken from a range below the ones that systems hand out for outgoing connections (from 32768 on Linux and
// 49152 elsewhere): a port must stay free while its process is dead, so that it can start again.
const (
	firstPort = 20000
	portCount = 12000
)

// portRegister remembers which ports belong to which fleet of this user, by folder.
type portRegister struct{ file string }

func newPortRegister() (portRegister, error) {
	cache, err := kubebin.CacheDir()
	if err != nil {
		return portRegister{}, err
	}
	return portRegister{filepath.Join(cache, "ports.json")}, nil
}

// take reserves free ports for a fleet until give is called or the fleet's state is gone.
func (r portRegister) take(ctx context.Context, fleet folder, count int) ([]int, error) {
	var ports []int
	err := r.change(ctx, func(taken map[folder][]int) error {
		busy := map[int]bool{}
		for owner, owned := range taken {
			if _, err := os.Stat(owner.path(stateFile)); owner == fleet || errors.Is(err, os.ErrNotExist) {
				delete(taken, owner)
				continue
			}
			for _, port := range owned {
				busy[port] = true
			}
		}
		// Starting somewhere else for each folder keeps apart fleets that do not see each other's register.
		start := fnv.New32a()
		_, _ = start.Write([]byte(fleet))
		for i := 0; i < portCount && len(ports) < count; i++ {
			port := firstPort + (int(start.Sum32()%portCount)+i)%portCount
			if !busy[port] && free(port) {
				ports = append(ports, port)
			}
		}
		if len(ports) < count {
			return fmt.Errorf("only %d of %d ports are free", len(ports), count)
		}
		taken[fleet] = ports
		return nil
	})
	return ports, err
}

// Address is one on loopback for a program that a test starts. Until the test ends no fleet of this user gets its port, and no
// outgoing connection has it.
func Address(t testing.TB) string {
	t.Helper()
	register, err := newPortRegister()
	owner := folder(t.TempDir()) // the port is given back when this is gone
	if err = errors.Join(err, os.WriteFile(owner.path(stateFile), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	ports, err := register.take(t.Context(), owner, 1)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0])
}

// give returns the ports of a fleet.
func (r portRegister) give(ctx context.Context, fleet folder) error {
	return r.change(ctx, func(taken map[folder][]int) error {
		delete(taken, fleet)
		return nil
	})
}

func (r portRegister) change(ctx context.Context, change func(map[folder][]int) error) error {
	unlock, err := kubebin.Lock(ctx, r.file+".lock")
	if err != nil {
		return fmt.Errorf("reserving ports: %w", err)
	}
	defer unlock()
	taken := map[folder][]int{}
	// A register that cannot be read is an empty one: ports in use are seen by trying them.
	if content, err := os.ReadFile(r.file); err == nil {
		_ = json.Unmarshal(content, &taken)
	}
	if err := change(taken); err != nil {
		return fmt.Errorf("reserving ports: %w", err)
	}
	content, err := json.Marshal(taken)
	if err != nil {
		return fmt.Errorf("reserving ports: %w", err)
	}
	if err := os.WriteFile(r.file, content, 0o600); err != nil {
		return fmt.Errorf("reserving ports: %w", err)
	}
	return nil
}

func free(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}
