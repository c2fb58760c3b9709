package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/flotilla-dev/flotilla/internal/release/dockerfile"
)

// layer is what a COPY adds to the image.
func (r *run) layer(step dockerfile.Step) (mutate.Addendum, error) {
	files, err := r.source(step)
	if err != nil {
		return mutate.Addendum{}, err
	}
	content, err := archive(files, r.options.Time)
	if err != nil {
		return mutate.Addendum{}, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return mutate.Addendum{}, fmt.Errorf("packing a layer: %w", err)
	}
	return mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: r.options.Time.UTC()}, CreatedBy: "COPY " + step.Text,
	}}, nil
}

// archive packs files, by their path in the image, with the folders above them.
func archive(files map[string]string, modified time.Time) ([]byte, error) {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	written := map[string]bool{}
	for _, target := range slices.Sorted(maps.Keys(files)) {
		name := strings.TrimPrefix(path.Clean("/"+target), "/")
		for _, folder := range above(name) {
			if written[folder] {
				continue
			}
			written[folder] = true
			header := &tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: modified}
			if err := writer.WriteHeader(header); err != nil {
				return nil, fmt.Errorf("packing %s: %w", folder, err)
			}
		}
		if err := add(writer, name, files[target], modified); err != nil {
			return nil, fmt.Errorf("packing %s: %w", name, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	return packed.Bytes(), nil
}

// above are the folders that a file is in, the outermost first.
func above(name string) []string {
	var folders []string
	for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

// add packs one file. Of its mode only that it can be run is kept: the rest is the umask of whoever checked it out.
func add(writer *tar.Writer, name, origin string, modified time.Time) error {
	content, err := os.ReadFile(origin)
	if err != nil {
		return err
	}
	info, err := os.Stat(origin)
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: modified}
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err = writer.Write(content)
	return err
}

// inContext lists the files below a source in the context that its .dockerignore leaves.
func inContext(context, source string) (map[string]string, error) {
	ignored, err := ignores(context)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	start := filepath.Join(context, source)
	err = filepath.WalkDir(start, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(context, file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			// No image wants what is hidden, and walking the objects of git takes time.
			if relative != "." && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		skip, err := ignored.MatchesOrParentMatches(filepath.ToSlash(relative))
		if err != nil || skip {
			return err
		}
		below, err := filepath.Rel(start, file)
		files[filepath.ToSlash(below)] = file
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the context: %w", err)
	}
	return files, nil
}

func ignores(context string) (*patternmatcher.PatternMatcher, error) {
	file, err := os.Open(filepath.Join(context, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return patternmatcher.New(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the context: %w", err)
	}
	defer func() { _ = file.Close() }()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("reading .dockerignore: %w", err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("reading .dockerignore: %w", err)
	}
	return matcher, nil
}
