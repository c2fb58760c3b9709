package telemetry

import "github.com/flotilla-dev/flotilla/internal/version"

var build = Gauge("flotilla_build_info",
	"1, with the version, the commit and the Go release that this process was built from.", "version", "commit", "go_version")

func init() {
	info := version.Get()
	build.WithLabelValues(info.Version, info.Commit, info.GoVersion).Set(1)
}
