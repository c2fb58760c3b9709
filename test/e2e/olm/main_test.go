package olm

import (
	"os"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// member1 has nodes and plays the host; member2 joins it.
var bed = local.Bed{Options: local.Options{Members: 2, Nodes: 2}, InstalledIn: "member1"}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }
