package e2e

import (
	"os"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 3, Managers: 2}}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }
