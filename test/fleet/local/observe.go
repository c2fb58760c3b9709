package local

import (
	"slices"
	"strings"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// Managers are the names of the managers, manager-0 first.
func (f *Fleet) Managers() []string { return names(f.state.Managers) }

// Status says whether a process of the fleet runs, is suspended, or is gone. A name that the fleet does not have is gone.
func (f *Fleet) Status(name string) process.Status { return f.processes.Status(name) }

// MetricsAddress is the host and port where a manager serves its metrics, empty when the fleet has no such manager.
func (f *Fleet) MetricsAddress(manager string) string {
	return f.Argument(manager, "--metrics-bind-address")
}

// Argument is what a manager's command line says for a flag, empty when it says nothing.
func (f *Fleet) Argument(manager, flag string) string {
	i := slices.IndexFunc(f.state.Managers, func(c controlplane.Component) bool { return c.Name == manager })
	if i < 0 {
		return ""
	}
	for _, arg := range f.state.Managers[i].Args {
		if value, found := strings.CutPrefix(arg, flag+"="); found {
			return value
		}
	}
	return ""
}
