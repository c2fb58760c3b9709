package features

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGatesAreOnAsTheyAreSet(t *testing.T) {
	for name, tc := range map[string]struct {
		settings map[string]bool
		want     Set
		err      string
	}{
		"by default":              {nil, Set{GracefulEviction: true}, ""},
		"one":                     {map[string]bool{"Failover": true}, Set{Failover: true, GracefulEviction: true}, ""},
		"the other":               {map[string]bool{"GracefulEviction": false}, Set{}, ""},
		"all of a stage, but one": {map[string]bool{"AllBeta": true, "GracefulEviction": false}, Set{Failover: true}, ""},
		"one that there is not": {map[string]bool{"Fallover": true}, Set{},
			"unrecognized feature gate: Fallover (known: AllAlpha, AllBeta, Failover, GracefulEviction)"},
		"again, nothing stays from before": {map[string]bool{}, Set{GracefulEviction: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(tc.settings)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("Read() = %v, want an error with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Read() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheHelpNamesEveryGateWithItsDefault(t *testing.T) {
	want := []string{
		"AllAlpha=true|false (ALPHA - default=false)", "AllBeta=true|false (BETA - default=false)",
		"Failover=true|false (BETA - default=false)", "GracefulEviction=true|false (BETA - default=true)",
	}
	if diff := cmp.Diff(want, strings.Split(Usage(), "\n")); diff != "" {
		t.Errorf("Usage() (-want +got):\n%s", diff)
	}
}
