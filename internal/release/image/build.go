package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/flotilla-dev/flotilla/internal/release/dockerfile"
)

// referenceName is the annotation by which tools find an image in a layout.
const referenceName = "org.opencontainers.image.ref.name"

// Options say what is to be built.
type Options struct {
	// Context is the folder whose files the Dockerfile may copy, minus what its .dockerignore excludes.
	Context string
	// File is the Dockerfile, relative to Context.
	File string
	// Arguments are the values of ARG, as --build-arg gives them.
	Arguments map[string]string
	// Time is the time of every file and of the image: SOURCE_DATE_EPOCH.
	Time time.Time
	// Platforms are what the image is built for, at least one.
	Platforms []v1.Platform
	// Output is the folder of the OCI layout. What an earlier build left there is replaced.
	Output string
	// Tag is the name of the image in the layout.
	Tag string
}

// Build builds the image for all platforms, writes it to the layout and returns the digest of its index.
func Build(ctx context.Context, options Options) (v1.Hash, error) {
	content, err := os.ReadFile(filepath.Join(options.Context, options.File))
	if err != nil {
		return v1.Hash{}, fmt.Errorf("reading the Dockerfile: %w", err)
	}
	stages, err := dockerfile.Parse(string(content))
	if err != nil {
		return v1.Hash{}, fmt.Errorf("reading %s: %w", options.File, err)
	}
	if last := stages[len(stages)-1]; last.Base != "scratch" {
		return v1.Hash{}, fmt.Errorf("reading %s: the last stage starts from %s, and only scratch needs no registry",
			options.File, last.Base)
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range options.Platforms {
		image, err := buildFor(ctx, options, stages, platform)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("building %s for %s: %w", options.File, platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &platform},
		})
	}
	return write(options, index)
}

// buildFor follows all stages for one platform, in a folder that goes afterwards.
func buildFor(ctx context.Context, options Options, stages []dockerfile.Stage, platform v1.Platform) (_ v1.Image, err error) {
	dir, err := os.MkdirTemp("", "flotilla-image-")
	if err != nil {
		return nil, fmt.Errorf("creating the folder of the build: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	run := &run{options: options, platform: platform, dir: dir, stages: map[string]string{}}
	for _, stage := range stages[:len(stages)-1] {
		if err := run.prepare(ctx, stage); err != nil {
			return nil, err
		}
	}
	return run.ship(stages[len(stages)-1])
}

func write(options Options, index v1.ImageIndex) (v1.Hash, error) {
	if err := os.RemoveAll(options.Output); err != nil {
		return v1.Hash{}, fmt.Errorf("clearing the layout: %w", err)
	}
	path, err := layout.Write(options.Output, empty.Index)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("creating the layout: %w", err)
	}
	named := layout.WithAnnotations(map[string]string{referenceName: options.Tag})
	if err := path.AppendIndex(index, named); err != nil {
		return v1.Hash{}, fmt.Errorf("writing the layout: %w", err)
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("digesting the image: %w", err)
	}
	return digest, nil
}
