package features

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/component-base/featuregate"
)

// The gates.
const (
	// Failover evicts what runs in clusters that have a taint with the effect NoExecute, lets clusters that are lost get such a
	// taint, and makes ClusterTaintPolicies count. Off, nothing is ever evicted because of a taint.
	Failover featuregate.Feature = "Failover"
	// GracefulEviction keeps an old copy until its replacement is ready, where an eviction does not ask for anything else. Off,
	// it goes at once.
	GracefulEviction featuregate.Feature = "GracefulEviction"
)

// Set says which gates are on.
type Set struct {
	// Failover is the gate Failover.
	Failover bool
	// GracefulEviction is the gate GracefulEviction.
	GracefulEviction bool
}

func gate() (featuregate.MutableFeatureGate, error) {
	known := featuregate.NewFeatureGate()
	err := known.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		Failover:         {Default: false, PreRelease: featuregate.Beta},
		GracefulEviction: {Default: true, PreRelease: featuregate.Beta},
	})
	if err != nil {
		return nil, fmt.Errorf("naming the feature gates: %w", err)
	}
	return known, nil
}

// Read says which gates are on when some are set, by name. AllAlpha and AllBeta set all of that stage which are not set by
// name. A name that there is not is an error that names those that there are.
func Read(settings map[string]bool) (Set, error) {
	known, err := gate()
	if err != nil {
		return Set{}, err
	}
	all := known.GetAll()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if _, ok := all[featuregate.Feature(name)]; !ok {
			return Set{}, fmt.Errorf("unrecognized feature gate: %s (known: %s)", name, strings.Join(names(all), ", "))
		}
	}
	if err := known.SetFromMap(settings); err != nil {
		return Set{}, fmt.Errorf("setting the feature gates: %w", err)
	}
	return Set{Failover: known.Enabled(Failover), GracefulEviction: known.Enabled(GracefulEviction)}, nil
}

func names(all map[featuregate.Feature]featuregate.FeatureSpec) []string {
	var sorted []string
	for name := range all {
		sorted = append(sorted, string(name))
	}
	slices.Sort(sorted)
	return sorted
}

// Usage lists the gates, one a line, for the help of a flag.
func Usage() string {
	known, err := gate()
	if err != nil {
		return ""
	}
	return strings.Join(known.KnownFeatures(), "\n")
}
