package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/network"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// Names of what is in the folder of a fleet.
const (
	stateFile   = "fleet.json"
	lockFile    = ".lock"
	pidsDir     = "pids"
	logsDir     = "logs"
	clustersDir = "clusters"
	programsDir = "bin"
)

// Names of processes.
const (
	hostName  = "host"
	proxyName = "proxy"
)

// state is the content of fleet.json: all that is needed to start any process of the fleet again.
type state struct {
	// Ready is false until Up has finished.
	Ready bool `json:"ready"`
	// Clusters are the host and then the members.
	Clusters []controlplane.Cluster `json:"clusters"`
	// Proxy is the process that all links run through.
	Proxy controlplane.Component `json:"proxy"`
	// Control is where it takes orders.
	Control string `json:"control"`
	// Links are named after what a user cuts: host, member1, manager-0.
	Links []network.Link `json:"links"`
	// Managers are the managers, empty for a fleet that is only clusters.
	Managers []controlplane.Component `json:"managers,omitempty"`
}

// folder is where a fleet lives. Its path is absolute.
type folder string

func newFolder(dir string) (folder, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the folder of the fleet: %w", err)
	}
	return folder(absolute), nil
}

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) processes() process.Table {
	return process.Table{PIDs: f.path(pidsDir), Logs: f.path(logsDir)}
}

// foreign says whether the folder holds something, but never held a fleet.
func (f folder) foreign() (bool, error) {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking into %s: %w", f, err)
	}
	for _, entry := range entries {
		if entry.Name() == lockFile {
			return false, nil
		}
	}
	return len(entries) > 0, nil
}

func (f folder) load() (state, error) {
	content, err := os.ReadFile(f.path(stateFile))
	if err != nil {
		return state{}, fmt.Errorf("reading the state of the fleet: %w", err)
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return state{}, fmt.Errorf("reading the state of the fleet in %s: %w", f, err)
	}
	return s, nil
}

func (f folder) save(s state) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of the fleet: %w", err)
	}
	draft := f.path("." + stateFile)
	if err := os.WriteFile(draft, content, 0o600); err != nil {
		return fmt.Errorf("writing the state of the fleet: %w", err)
	}
	if err := os.Rename(draft, f.path(stateFile)); err != nil {
		return fmt.Errorf("writing the state of the fleet: %w", err)
	}
	return nil
}

// clear removes all that a fleet left behind except its logs.
func (f folder) clear() error {
	files, err := filepath.Glob(f.path("*.kubeconfig"))
	if err != nil {
		return fmt.Errorf("clearing %s: %w", f, err)
	}
	files = append(files, f.path(pidsDir), f.path(clustersDir), f.path(programsDir), f.path(stateFile))
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			return fmt.Errorf("clearing %s: %w", f, err)
		}
	}
	return nil
}
