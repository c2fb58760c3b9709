package underload

import (
	"cmp"
	"os"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// topologyVariable chooses the host of the fleet: single, stacked or external.
const topologyVariable = "FLOTILLA_CHAOS_TOPOLOGY"

var bed = local.Bed{Options: local.Options{
	Members: 3, Managers: 2, Nodes: 3, ManagerConfig: "testdata/manager.yaml",
	Topology: cmp.Or(os.Getenv(topologyVariable), local.TopologySingle),
}}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }
