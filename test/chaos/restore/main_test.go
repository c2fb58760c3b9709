package restore

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{
	Options:            local.Options{Members: 2, Nodes: 3, Managers: 2, ManagerConfig: "testdata/manager.yaml"},
	DenialsMeanNothing: "an API server that starts anew has not read the roles yet",
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(bed.Run(m))
}
