package telemetry

import (
	"net/http"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/transport"
	"k8s.io/utils/clock"
)

// The targets of writes.
const (
	// HostTarget is the host's API server.
	HostTarget = "host"
	// MemberTarget is a member's API server.
	MemberTarget = "member"
)

// lostCode stands for the code of a request that was not answered.
const lostCode = "none"

var (
	writes = Counter("flotilla_api_writes_total",
		"Writes to API servers that were sent, by target (host or member), Cluster (empty for the host), verb (create, update, patch, apply or delete) "+
			"and HTTP code, which is none when no answer came. Dry runs write nothing and do not count.",
		"target", ClusterLabel, "verb", "code")
	writeSeconds = Histogram("flotilla_api_write_duration_seconds",
		"How long writes to API servers took until they were answered, by target (host or member) and Cluster (empty for the host).",
		// From a healthy API server's few milliseconds to the 10 s that a request to a member may take.
		[]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 10}, "target", ClusterLabel)
)

// CountWrites wraps the transport to an API server so that its writes are counted. cluster is empty for the host.
func CountWrites(target, cluster string) transport.WrapperFunc {
	return func(next http.RoundTripper) http.RoundTripper {
		return &writeCounter{next: next, target: target, cluster: cluster, clock: clock.RealClock{}}
	}
}

type writeCounter struct {
	next            http.RoundTripper
	target, cluster string
	clock           clock.PassiveClock
}

// RoundTrip implements http.RoundTripper.
func (w *writeCounter) RoundTrip(request *http.Request) (*http.Response, error) {
	verb := writeVerb(request)
	if verb == "" {
		return w.next.RoundTrip(request)
	}
	begun := w.clock.Now()
	response, err := w.next.RoundTrip(request)
	code := lostCode
	if err == nil {
		code = strconv.Itoa(response.StatusCode)
		writeSeconds.WithLabelValues(w.target, w.cluster).Observe(w.clock.Since(begun).Seconds())
	}
	writes.WithLabelValues(w.target, w.cluster, verb, code).Inc()
	return response, err
}

// WrappedRoundTripper lets client-go look at what is wrapped.
func (w *writeCounter) WrappedRoundTripper() http.RoundTripper { return w.next }

// writeVerb is what Kubernetes calls a request that writes; empty for one that does not.
func writeVerb(request *http.Request) string {
	if strings.Contains(request.URL.RawQuery, "dryRun=") {
		return ""
	}
	switch request.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodDelete:
		return "delete"
	case http.MethodPatch:
		if strings.HasPrefix(request.Header.Get("Content-Type"), applyPatch) {
			return "apply"
		}
		return "patch"
	}
	return ""
}

// applyPatch begins the content types of server-side apply, in YAML and in CBOR.
var applyPatch = strings.TrimSuffix(string(types.ApplyYAMLPatchType), "yaml")
