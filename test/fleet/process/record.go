package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Status is what is known of a recorded process.
type Status string

const (
	// Gone: never started, ended, or its process id belongs to somebody else by now.
	Gone Status = "Gone"
	// Running: the process exists.
	Running Status = "Running"
	// Suspended: the process exists and was stopped by SIGSTOP.
	Suspended Status = "Suspended"
)

// errNoProcess says that no process has that id.
var errNoProcess = errors.New("no such process")

func (t Table) recordFile(name string) string {
	return filepath.Join(t.PIDs, name)
}

// record writes the id and the birth of a process that has just been started, atomically.
func (t Table) record(name string, pid int) error {
	birth, _, err := inspect(pid)
	if err != nil {
		return fmt.Errorf("looking up process %d: %w", pid, err)
	}
	file := t.recordFile(name)
	draft := filepath.Join(filepath.Dir(t.PIDs), "."+name+".pid")
	if err := os.WriteFile(draft, fmt.Appendf(nil, "%d %s\n", pid, birth), 0o644); err != nil {
		return fmt.Errorf("recording process %d: %w", pid, err)
	}
	if err := os.Rename(draft, file); err != nil {
		return fmt.Errorf("recording process %d: %w", pid, err)
	}
	return nil
}

// find returns the id of the recorded process when it is still the same one.
func (t Table) find(name string) (int, Status) {
	content, err := os.ReadFile(t.recordFile(name))
	if err != nil {
		return 0, Gone
	}
	var pid int
	var recorded string
	if _, err := fmt.Sscanf(string(content), "%d %s", &pid, &recorded); err != nil || pid <= 1 {
		return 0, Gone
	}
	birth, status, err := inspect(pid)
	if err != nil || birth != recorded {
		return 0, Gone
	}
	return pid, status
}

// PID returns the id of the recorded process, if it still runs.
func (t Table) PID(name string) (int, bool) {
	pid, status := t.find(name)
	return pid, status != Gone
}
