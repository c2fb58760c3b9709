package adoption

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// bed is the fleet; heir is another host, which knows nothing of it.
var (
	bed = local.Bed{
		Options:            local.Options{Members: 2, Nodes: 3, Managers: 1, ManagerConfig: "testdata/manager.yaml"},
		DenialsMeanNothing: "an API server that starts anew has not read the roles yet",
	}
	heir = local.Bed{Options: local.Options{Managers: 1, ManagerConfig: "testdata/manager.yaml"}}
)

func TestMain(m *testing.M) {
	// That requests fail here is no news.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	code := bed.Run(m)
	heir.End(code != 0)
	os.Exit(code)
}
