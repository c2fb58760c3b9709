package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

const (
	// root is the repository, seen from this package.
	root = "../../.."
	// wholeVariable lets the tests build the product instead of a small program in its place: minutes with empty caches.
	wholeVariable = "FLOTILLA_WHOLE_IMAGE"
)

var (
	amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = v1.Platform{OS: "linux", Architecture: "arm64"}
)

// standIn is a program with the product's name that says which version the linker gave it.
const standIn = `package main

import (
	"fmt"

	"github.com/flotilla-dev/flotilla/internal/version"
)

func main() { fmt.Println(version.Version, version.Commit) }
`

// source is a context with this repository's Dockerfile. Only its program is a small one, unless the whole is asked for.
func source(t *testing.T) string {
	t.Helper()
	if os.Getenv(wholeVariable) != "" {
		return root
	}
	dir := t.TempDir()
	for _, name := range []string{"Dockerfile", ".dockerignore", "LICENSE"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		place(t, dir, name, string(content))
	}
	place(t, dir, "go.mod", "module github.com/flotilla-dev/flotilla\n\ngo 1.26\n")
	place(t, dir, "main.go", standIn)
	place(t, dir, "internal/version/version.go", "package version\n\nvar Version, Commit string\n")
	return dir
}

func place(t *testing.T, dir, name, content string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func options(t *testing.T, context string, platforms ...v1.Platform) Options {
	t.Helper()
	return Options{
		Context: context, File: "Dockerfile", Tag: "v1.2.3",
		Arguments: map[string]string{"VERSION": "v1.2.3", "COMMIT": "0123456789abcdef"},
		Time:      time.Unix(1700000000, 0), Platforms: platforms, Output: filepath.Join(t.TempDir(), "image"),
	}
}

func build(t *testing.T, options Options) v1.Hash {
	t.Helper()
	digest, err := Build(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// images opens a layout as any tool would: by the one name that is in it.
func images(t *testing.T, options Options) map[string]v1.Image {
	t.Helper()
	path, err := layout.FromPath(options.Output)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	names, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(names.Manifests) != 1 || names.Manifests[0].Annotations[referenceName] != options.Tag {
		t.Fatalf("the layout holds %v, want one image with the name %s", names.Manifests, options.Tag)
	}
	index, err := outer.ImageIndex(names.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]v1.Image{}
	for _, descriptor := range manifest.Manifests {
		if found[descriptor.Platform.String()], err = index.Image(descriptor.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// file is one entry of an image, without its content.
type file struct {
	Mode     int64
	UID, GID int
	Time     int64
}

// unpack lists the entries of all layers and returns the content of one of them.
func unpack(t *testing.T, image v1.Image, wanted string) (map[string]file, []byte) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files, content := map[string]file{}, []byte(nil)
	for _, layer := range layers {
		stream, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		reader := tar.NewReader(stream)
		for {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			files[header.Name] = file{header.Mode, header.Uid, header.Gid, header.ModTime.Unix()}
			if header.Name == wanted {
				if content, err = io.ReadAll(reader); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return files, content
}

func TestTheImageHoldsOneStaticBinaryAndSaysHowToRunIt(t *testing.T) {
	options := options(t, source(t), amd64, arm64)
	build(t, options)
	folder, regular, program := file{0o755, 0, 0, 1700000000}, file{0o644, 0, 0, 1700000000}, file{0o755, 0, 0, 1700000000}
	wantFiles := map[string]file{
		"etc/": folder, "etc/ssl/": folder, "etc/ssl/certs/": folder, "etc/ssl/certs/ca-certificates.crt": regular,
		"licenses/": folder, "licenses/LICENSE": regular,
		"flotilla": program,
	}
	wantConfig := v1.Config{
		User: "65532:65532", Entrypoint: []string{"/flotilla"}, Cmd: []string{"manager"},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "flotilla",
			"org.opencontainers.image.description": "Runs Kubernetes applications across many clusters",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.source":      "https://github.com/flotilla-dev/flotilla",
			"org.opencontainers.image.revision":    "0123456789abcdef",
			"org.opencontainers.image.version":     "v1.2.3",
		},
	}
	built := images(t, options)
	for _, platform := range []v1.Platform{amd64, arm64} {
		image := built[platform.String()]
		if image == nil {
			t.Fatalf("there is no image for %s in %v", platform, built)
		}
		files, binary := unpack(t, image, "flotilla")
		if diff := cmp.Diff(wantFiles, files); diff != "" {
			t.Errorf("files for %s (-want +got):\n%s", platform, diff)
		}
		checkBinary(t, binary, platform)
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantConfig, config.Config); diff != "" {
			t.Errorf("configuration for %s (-want +got):\n%s", platform, diff)
		}
		if config.Architecture != platform.Architecture || config.OS != platform.OS {
			t.Errorf("the configuration says %s/%s, want %s", config.OS, config.Architecture, platform)
		}
	}
}

func TestTheBinaryOfTheImageRuns(t *testing.T) {
	here := v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
	if !here.Equals(amd64) && !here.Equals(arm64) {
		t.Skipf("the image is not for %s", here)
	}
	options := options(t, source(t), here)
	build(t, options)
	_, binary := unpack(t, images(t, options)[here.String()], "flotilla")
	program := filepath.Join(t.TempDir(), "flotilla")
	if err := os.WriteFile(program, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, want := range []string{"v1.2.3", "0123456789abcdef"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("the binary says %q, want %s in it", output, want)
		}
	}
}

func TestTheSameSourceGivesTheSameDigest(t *testing.T) {
	first := build(t, options(t, source(t), amd64, arm64))
	second := build(t, options(t, source(t), amd64, arm64)) // in other folders
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("digest (-first +second):\n%s", diff)
	}
	later := options(t, source(t), amd64, arm64)
	later.Time = later.Time.Add(time.Second)
	if third := build(t, later); third == first {
		t.Errorf("a build of another time has the same digest %s: the time is not in it", third)
	}
}

func TestWhatTheContextExcludesDoesNotReachTheImage(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, "Dockerfile", "FROM scratch\nCOPY data/ /data/\nCOPY one two /both/\nCOPY one /renamed\n")
	place(t, dir, ".dockerignore", "**/*.secret\n")
	for _, name := range []string{"data/a", "data/deep/b", "data/c.secret", "one", "two"} {
		place(t, dir, name, name)
	}
	options := options(t, dir, amd64)
	build(t, options)
	files, _ := unpack(t, images(t, options)[amd64.String()], "")
	folder, regular := file{0o755, 0, 0, 1700000000}, file{0o644, 0, 0, 1700000000}
	want := map[string]file{
		"data/": folder, "data/a": regular, "data/deep/": folder, "data/deep/b": regular,
		"both/": folder, "both/one": regular, "both/two": regular, "renamed": regular,
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestAStepThatCannotBeFollowedIsReportedWithItsLine(t *testing.T) {
	cases := map[string]struct{ dockerfile, want string }{
		"a command that fails":  {"FROM a AS b\nRUN echo oh dear; exit 3\nFROM scratch", "oh dear"},
		"a file that is not":    {"FROM scratch\nCOPY none /", "line 2: COPY"},
		"a stage that is not":   {"FROM scratch\nCOPY --from=b a /", "there is no stage b"},
		"a base from elsewhere": {"FROM debian", "only scratch needs no registry"},
		"a command at the end":  {"FROM scratch\nRUN true", "line 2: RUN"},
		"a user while building": {"FROM a AS b\nUSER 1\nFROM scratch", "line 2: USER"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			place(t, dir, "Dockerfile", tc.dockerfile)
			if _, err := Build(t.Context(), options(t, dir, amd64)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want %q in it", err, tc.want)
			}
		})
	}
}
