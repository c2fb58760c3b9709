package underload

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/load"
)

const (
	// durationVariable lets the random faults go on for longer, such as 20m.
	durationVariable = "FLOTILLA_CHAOS_FOR"
	// seedVariable repeats the choices of an earlier run.
	seedVariable = "FLOTILLA_SEED"
	// tourVariable switches on one fault at a time: all, or names, or parts of names, with commas between them.
	tourVariable = "FLOTILLA_CHAOS_TOUR"

	// briefly is how long random faults go on where every change is tested.
	briefly = 3 * time.Minute
	// stretch is how long until the load pauses for a check.
	stretch = 3 * time.Minute
	// each is how long one fault of a tour lasts, if it does not have to last longer to show.
	each = 4 * time.Second
)

// lines puts what is printed into the log of a test.
type lines struct{ t *testing.T }

func (l lines) Write(text []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

// chaos prepares the load. What it leaves is taken away, unless the test failed.
func chaos(t *testing.T, fleet *local.Fleet, seed uint64) *load.Chaos {
	t.Helper()
	c, err := load.NewChaos(t.Context(), fleet, load.Options{Namespace: "load-" + strconv.FormatUint(seed%1e6, 10), Seed: seed}, lines{t})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			return
		}
		if err := c.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(seedVariable)
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	return seed
}

func TestRandomFaultsUnderLoadLoseNothing(t *testing.T) {
	length := briefly
	if text := os.Getenv(durationVariable); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", durationVariable, err)
		}
	}
	seed := seedOf(t)
	t.Logf("again with the same choices: %s=%d", seedVariable, seed)
	if err := chaos(t, bed.Fleet(t), seed).Random(t.Context(), seed, length, stretch); err != nil {
		t.Fatal(err)
	}
}

func TestOneFaultAtATimeUnderLoadLosesNothing(t *testing.T) {
	text := os.Getenv(tourVariable)
	if text == "" {
		t.Skipf("takes minutes: %s=all, or parts of the faults' names with commas between them, switches it on", tourVariable)
	}
	var names []string
	if text != "all" {
		names = strings.Split(text, ",")
	}
	fleet := bed.Fleet(t)
	rows, err := chaos(t, fleet, seedOf(t)).Tour(t.Context(), load.Named(load.Faults(fleet), names...), each)
	var table strings.Builder
	if problem := load.Table(&table, rows); problem != nil {
		t.Error(problem)
	}
	t.Logf("one fault at a time, on a host that is %s:\n%s", bed.Options.Topology, table.String())
	if err != nil {
		t.Fatal(err)
	}
}
