//go:build !linux

package process

import (
	"os/exec"
	"strconv"
	"strings"
)

// inspect returns when a process was born, as ps prints it, and whether it runs.
func inspect(pid int) (string, Status, error) {
	output, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		// ps fails when it finds nothing.
		return "", Gone, errNoProcess
	}
	state, start, found := strings.Cut(strings.TrimSpace(string(output)), " ")
	if !found {
		return "", Gone, errNoProcess
	}
	birth := strings.Join(strings.Fields(start), "_")
	switch state[0] {
	case 'Z':
		return birth, Gone, nil
	case 'T':
		return birth, Suspended, nil
	default:
		return birth, Running, nil
	}
}
