package manager

import (
	"github.com/flotilla-dev/flotilla/internal/features"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

var featureEnabled = telemetry.Gauge("flotilla_feature_enabled", "1 for feature gates that are on, 0 for those that are off.", "name")

// showGates lets the metrics say which features are on.
func showGates(on features.Set) {
	for name, is := range map[string]bool{string(features.Failover): on.Failover, string(features.GracefulEviction): on.GracefulEviction} {
		value := 0.0
		if is {
			value = 1
		}
		featureEnabled.WithLabelValues(name).Set(value)
	}
}
