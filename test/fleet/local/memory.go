package local

import (
	"fmt"
	"os"
	"strings"
)

// ResidentMemory is how much memory a process of the fleet holds now, in KiB: VmRSS of proc(5), so on Linux only.
func (f *Fleet) ResidentMemory(name string) (int, error) {
	pid, running := f.processes.PID(name)
	if !running {
		return 0, fmt.Errorf("measuring the memory of %s: it does not run", name)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("measuring the memory of %s: %w", name, err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscanf(after, "%d kB", &kib); err != nil {
		return 0, fmt.Errorf("measuring the memory of %s: %w", name, err)
	}
	return kib, nil
}
