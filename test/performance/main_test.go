package performance

import (
	"os"
	"testing"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 3, Managers: 2}}

// atScale is a number at its full scale where FLOTILLA_LONG is set, and a smaller one elsewhere: what is counted for each object
// is the same, and ratios are close to it.
func atScale(full, small int) int {
	if os.Getenv("FLOTILLA_LONG") != "" {
		return full
	}
	return small
}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }
