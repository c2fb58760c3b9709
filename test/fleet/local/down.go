package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	// managerGrace is how long a manager may take to release its lease.
	managerGrace = 5 * time.Second
	// clusterGrace is how long control planes may take. What they would still save is thrown away.
	clusterGrace = time.Second
)

// Down stops exactly the processes that the fleet in a folder has recorded and removes what it left, except its logs.
// It works after a crash of whoever started the fleet, and when there is nothing left to stop.
func Down(ctx context.Context, dir string, out io.Writer) error {
	folder, err := newFolder(dir)
	if err != nil {
		return fmt.Errorf("stopping a fleet: %w", err)
	}
	if _, err := os.Stat(folder.path(lockFile)); errors.Is(err, os.ErrNotExist) {
		// Never a fleet there: do not even create the folder.
		return nil
	}
	unlock, err := folder.lock(ctx)
	if err != nil {
		return fmt.Errorf("stopping the fleet in %s: %w", folder, err)
	}
	defer unlock()
	return newProgress(out).step("stop the fleet in "+dir, func() error {
		if err := stopAll(ctx, folder); err != nil {
			return fmt.Errorf("stopping the fleet in %s: %w", folder, err)
		}
		if err := folder.clear(); err != nil {
			return fmt.Errorf("stopping the fleet in %s: %w", folder, err)
		}
		return nil
	})
}

// Down stops the fleet.
func (f *Fleet) Down(ctx context.Context) error { return Down(ctx, string(f.folder), nil) }

// stopAll stops all recorded processes, managers first, and gives the ports back.
func stopAll(ctx context.Context, folder folder) error {
	processes := folder.processes()
	recorded, err := processes.Names()
	if err != nil {
		return err
	}
	var managers, rest []string
	for _, name := range recorded {
		if strings.HasPrefix(name, managerPrefix) {
			managers = append(managers, name)
		} else {
			rest = append(rest, name)
		}
	}
	err = errors.Join(
		processes.Stop(ctx, managerGrace, managers...),
		processes.Stop(ctx, clusterGrace, rest...),
	)
	if err != nil {
		return err
	}
	register, err := newPortRegister()
	if err != nil {
		return err
	}
	return register.give(ctx, folder)
}
