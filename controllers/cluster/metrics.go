package cluster

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// The metrics: one series of each for a Cluster. The leader shows them.
var (
	clusterReady = telemetry.Gauge("flotilla_cluster_ready",
		"1 for Clusters whose condition Ready is True, 0 for others.", telemetry.ClusterLabel)
	probeOK = telemetry.Gauge("flotilla_cluster_probe_success",
		"1 for Clusters whose last probe succeeded, 0 for others. Ready follows when that has been so for long enough.", telemetry.ClusterLabel)
	probeSeconds = telemetry.Gauge("flotilla_cluster_probe_duration_seconds",
		"How long the last probe of a Cluster took, whether it succeeded or not.", telemetry.ClusterLabel)
	credentialsExpiry = telemetry.Gauge("flotilla_cluster_credentials_expiry_timestamp_seconds",
		"When the token ends with which the host reaches a Cluster, if joining issued it, in seconds since 1970. It is renewed long before.", telemetry.ClusterLabel)
)

// show shows the state of a member after a look.
func show(name string, seen sighting, status *v1alpha1.ClusterStatus) {
	clusterReady.WithLabelValues(name).Set(one(meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady)))
	probeOK.WithLabelValues(name).Set(one(seen.fault == nil))
}

// showCredentials shows when a member's token ends.
func showCredentials(name string, secret *corev1.Secret) {
	if secret == nil {
		return
	}
	if token, issued := issuedToken(secret); issued {
		credentialsExpiry.WithLabelValues(name).Set(float64(token.Expires.Unix()))
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
