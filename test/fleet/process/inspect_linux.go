package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Fields of /proc/PID/stat behind the program's name, counted from 0; see proc_pid_stat(5).
const (
	statState     = 0
	statThreads   = 17
	statStartTime = 19
)

// inspect returns when a process was born, in clock ticks since boot, and whether it runs. A zombie counts as gone:
// it holds nothing any more, and in a container nobody may ever reap it. One that has threads left does: its first thread has
// ended, and the others still have the files and ports open.
func inspect(pid int) (string, Status, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return "", Gone, errNoProcess
	}
	if err != nil {
		return "", Gone, fmt.Errorf("reading the state of process %d: %w", pid, err)
	}
	// The name in parentheses may contain anything, so count from its end.
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	if len(fields) <= statStartTime {
		return "", Gone, fmt.Errorf("reading the state of process %d: %d fields", pid, len(fields))
	}
	switch fields[statState] {
	case "Z", "X", "x":
		if threads, err := strconv.Atoi(fields[statThreads]); err == nil && threads > 1 {
			return fields[statStartTime], Running, nil
		}
		return fields[statStartTime], Gone, nil
	case "T", "t":
		return fields[statStartTime], Suspended, nil
	default:
		return fields[statStartTime], Running, nil
	}
}
