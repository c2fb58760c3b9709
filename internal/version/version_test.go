package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDescribePrefersTheLinkerOverTheToolchain(t *testing.T) {
	stamped := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.2.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	cases := map[string]struct {
		version, commit string
		build           *debug.BuildInfo
		want            Info
	}{
		"linker values win": {
			version: "v0.3.1", commit: "def", build: stamped,
			want: Info{Version: "v0.3.1", Commit: "def"},
		},
		"toolchain values fill the gaps": {
			build: stamped,
			want:  Info{Version: "v0.2.0", Commit: "abc-dirty"},
		},
		"a development build has a version that sorts first": {
			build: &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}},
			want:  Info{Version: unreleased},
		},
		"a binary without build information still answers": {
			want: Info{Version: unreleased},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.want.GoVersion = runtime.Version()
			tc.want.Platform = runtime.GOOS + "/" + runtime.GOARCH
			got := describe(tc.version, tc.commit, tc.build)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("describe() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStringNamesTheCommitOnlyWhenItIsKnown(t *testing.T) {
	cases := map[string]struct {
		info Info
		want string
	}{
		"with a commit":    {info: Info{Version: "v0.3.1", Commit: "abc"}, want: "v0.3.1 (abc)"},
		"without a commit": {info: Info{Version: "v0.3.1"}, want: "v0.3.1"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.info.String(); got != tc.want {
				t.Errorf("String() = %q, want %q", got, tc.want)
			}
		})
	}
}
