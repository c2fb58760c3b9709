package install

import (
	"os"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 1, Nodes: 2}, CheckRights: true}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }
