package manager

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	metricsregistry "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/flotilla-dev/flotilla/internal/features"
)

// showGates lets the metrics say which features are on.
func showGates(on features.Set) error {
	enabled := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "flotilla_feature_enabled", Help: "1 for feature gates that are on, 0 for those that are off.",
	}, []string{"name"})
	for name, is := range map[string]bool{string(features.Failover): on.Failover, string(features.GracefulEviction): on.GracefulEviction} {
		value := 0.0
		if is {
			value = 1
		}
		enabled.WithLabelValues(name).Set(value)
	}
	if err := metricsregistry.Registry.Register(enabled); err != nil {
		return fmt.Errorf("registering the metric of feature gates: %w", err)
	}
	return nil
}
