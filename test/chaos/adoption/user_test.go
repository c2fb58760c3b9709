package adoption

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// user is somebody at a shell, with the programs of a fleet, and kubeconfigs with one context each; the first is the current one.
type user struct {
	fleet       *local.Fleet
	kubeconfigs []string
}

// command returns what a command line prints.
func (u user) command(t *testing.T, line string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Env = append(os.Environ(),
		"KUBECONFIG="+strings.Join(u.kubeconfigs, string(os.PathListSeparator)),
		"PATH="+filepath.Dir(u.fleet.Program("kubectl"))+string(os.PathListSeparator)+os.Getenv("PATH"))
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// run fails the test when a command line does.
func (u user) run(t *testing.T, line string) string {
	t.Helper()
	output, err := u.command(t, line)
	if err != nil {
		t.Fatalf("$ %s\n%s%v", line, output, err)
	}
	t.Logf("$ %s\n%s", line, output)
	return output
}
