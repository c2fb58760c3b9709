package underload

import (
	"cmp"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// topologyVariable chooses the host of the fleet: single, stacked or external.
const topologyVariable = "FLOTILLA_CHAOS_TOPOLOGY"

var bed = local.Bed{
	Options: local.Options{
		Members: 3, Managers: 2, Nodes: 3, ManagerConfig: "testdata/manager.yaml",
		Topology: cmp.Or(os.Getenv(topologyVariable), local.TopologyStacked),
	},
	DenialsMeanNothing: "an API server that starts anew has not read the roles yet",
}

func TestMain(m *testing.M) {
	// That requests fail here is no news.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	os.Exit(bed.Run(m))
}
