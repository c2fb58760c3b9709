package version

import (
	"runtime"
	"runtime/debug"
)

// unreleased is what a binary calls itself when it was built without a version.
const unreleased = "v0.0.0-dev"

// Version is the semantic version of this build with its leading "v", for example "v0.3.1".
// It is set at link time: -ldflags "-X github.com/flotilla-dev/flotilla/internal/version.Version=v0.3.1".
// When it is empty, Get falls back to the module version that `go install` records.
var Version = ""

// Commit is the full hash of the commit this build was made from, with "-dirty" behind it when
// the work tree had changes. It is set at link time like Version.
var Commit = ""

// Info describes one build.
type Info struct {
	// Version is the semantic version with its leading "v"; never empty.
	Version string `json:"version"`
	// Commit is the commit that was built; empty when neither linker nor toolchain recorded it.
	Commit string `json:"commit,omitempty"`
	// GoVersion is the release of the Go toolchain, for example "go1.26.8".
	GoVersion string `json:"goVersion"`
	// Platform is the operating system and architecture, for example "linux/arm64".
	Platform string `json:"platform"`
}

// Get returns the description of the running binary.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return describe(Version, Commit, build)
}

// String returns the version and, when it is known, the commit in parentheses.
func (i Info) String() string {
	if i.Commit == "" {
		return i.Version
	}
	return i.Version + " (" + i.Commit + ")"
}

// describe merges what the linker set with what the toolchain recorded; the linker wins.
// build is nil for a binary made without module support.
func describe(version, commit string, build *debug.BuildInfo) Info {
	info := Info{
		Version:   version,
		Commit:    commit,
		GoVersion: runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info.Version == "" {
		info.Version = moduleVersion(build)
	}
	if info.Commit == "" {
		info.Commit = recordedCommit(build)
	}
	return info
}

// moduleVersion returns the version of the main module. A build from a work tree without version
// control calls itself "(devel)", which is no version that a user could look up.
func moduleVersion(build *debug.BuildInfo) string {
	if build == nil || build.Main.Version == "" || build.Main.Version == "(devel)" {
		return unreleased
	}
	return build.Main.Version
}

// recordedCommit returns the commit that the toolchain stamped, marked when the tree was modified.
func recordedCommit(build *debug.BuildInfo) string {
	if build == nil {
		return ""
	}
	var revision, dirty string
	for _, setting := range build.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}
