package install

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 1, Nodes: 2}, MayBeDenied: refusedByRoles()}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(bed.Run(m))
}
