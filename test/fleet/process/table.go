package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// pollInterval is how often the end of a process is looked for: short against the 10 ms that a SIGKILL takes.
	pollInterval = 10 * time.Millisecond
	// killTimeout bounds the wait for the end of a process after SIGKILL, which only a stuck disk can delay.
	killTimeout = 10 * time.Second
	// tailBytes is how much of a log an error message quotes.
	tailBytes = 2000
)

// Spec is a command that can be started again and again with the same meaning.
type Spec struct {
	// Name is unique in the fleet, for example member1-etcd. It names the record and the log file too.
	Name string `json:"name"`
	// Path is the absolute path of the program.
	Path string `json:"path"`
	// Args are its arguments, without the program's name.
	Args []string `json:"args"`
	// Env is what it has in its environment beside what this process has, as NAME=VALUE.
	Env []string `json:"env,omitempty"`
}

// Table starts programs, remembers them in a folder and signals those that it remembers.
type Table struct {
	// PIDs is the folder of the records.
	PIDs string
	// Logs is the folder of the output.
	Logs string
}

// Start runs the program in a session of its own, so that it outlives the caller and no terminal signal reaches it.
// The returned channel is closed when the program ends while the caller still runs. A program of that name that
// already runs is an error.
func (t Table) Start(spec Spec) (<-chan struct{}, error) {
	if t.Status(spec.Name) != Gone {
		return nil, fmt.Errorf("starting %s: it is already running", spec.Name)
	}
	for _, dir := range []string{t.PIDs, t.Logs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
		}
	}
	output, err := os.OpenFile(t.LogFile(spec.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: opening its log: %w", spec.Name, err)
	}
	defer func() { _ = output.Close() }()

	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env = append(cmd.Environ(), spec.Env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	ended := make(chan struct{})
	recorded := t.record(spec.Name, cmd.Process.Pid)
	if recorded != nil {
		_ = cmd.Process.Kill()
	}
	go func() {
		// Waiting reaps the child; why it ended is in its log.
		_ = cmd.Wait()
		close(ended)
	}()
	if recorded != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, recorded)
	}
	return ended, nil
}

// Status says whether the recorded process of that name still exists and runs.
func (t Table) Status(name string) Status {
	_, status := t.find(name)
	return status
}

// Signal sends a signal to the recorded process and its children (it leads a process group of its own). A process that
// is gone is an error.
func (t Table) Signal(name string, signal syscall.Signal) error {
	pid, status := t.find(name)
	if status == Gone {
		return fmt.Errorf("signalling %s: it is not running", name)
	}
	if err := syscall.Kill(-pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling %s (process %d): %w", name, pid, err)
	}
	return nil
}

// Kill ends the named processes at once and returns when they are gone.
func (t Table) Kill(ctx context.Context, names ...string) error {
	return t.end(ctx, names, syscall.SIGKILL, killTimeout)
}

// Stop asks the named processes to end, kills those that are still there after the grace period, and forgets them.
// Processes that are gone already are fine.
func (t Table) Stop(ctx context.Context, grace time.Duration, names ...string) error {
	if err := t.end(ctx, names, syscall.SIGTERM, grace); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if err := t.Kill(ctx, names...); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := os.Remove(t.recordFile(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forgetting %s: %w", name, err)
		}
	}
	return nil
}

// end signals all and waits until the last of them is gone. A suspended process is woken, because it could not act
// on a SIGTERM.
func (t Table) end(ctx context.Context, names []string, signal syscall.Signal, timeout time.Duration) error {
	var problems []error
	for _, name := range names {
		status := t.Status(name)
		if status == Gone {
			continue
		}
		problems = append(problems, t.Signal(name, signal))
		if status == Suspended && signal != syscall.SIGKILL {
			problems = append(problems, t.Signal(name, syscall.SIGCONT))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	var left []string
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(context.Context) (bool, error) {
		left = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return t.Status(name) == Gone })
		return len(left) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the end of %v after %v: %w", left, signal, err)
	}
	return nil
}

// Names lists what has been recorded, running or not, in alphabetical order.
func (t Table) Names() ([]string, error) {
	entries, err := os.ReadDir(t.PIDs)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the recorded processes: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, nil
}

// LogFile is where the output of the named program goes; restarts append.
func (t Table) LogFile(name string) string {
	return filepath.Join(t.Logs, name+".log")
}

// LogTail is the end of that output, for an error message; empty when there is none.
func (t Table) LogTail(name string) string {
	file, err := os.Open(t.LogFile(name))
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := file.Seek(-tailBytes, io.SeekEnd); err != nil {
			return ""
		}
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return ""
	}
	return string(content)
}
