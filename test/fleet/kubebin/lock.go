package kubebin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// lockInterval is how often a held lock is tried again.
const lockInterval = 50 * time.Millisecond

// Lock takes an exclusive lock on a file, creating it when needed, and waits for it as long as ctx lives. The lock ends
// with the returned function or with the process, whatever comes first. The file stays.
func Lock(ctx context.Context, file string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("creating the folder of the lock: %w", err)
	}
	handle, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	err = wait.PollUntilContextCancel(ctx, lockInterval, true, func(context.Context) (bool, error) {
		err := syscall.Flock(int(handle.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		_ = handle.Close()
		return nil, fmt.Errorf("locking %s: %w", file, err)
	}
	return func() { _ = handle.Close() }, nil
}
