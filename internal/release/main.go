// Command release makes what is shipped besides the source: container images and the bundle for the Operator Lifecycle
// Manager. `make image`, `make bundle` and `make bundle-image` run it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/flotilla-dev/flotilla/internal/release/bundle"
	"github.com/flotilla-dev/flotilla/internal/release/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run runs one command; its result goes to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	commands := map[string]func(context.Context, []string, io.Writer) error{
		"image":  buildImage,
		"bundle": writeBundle,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("say what to make: image or bundle")
	}
	return commands[args[0]](ctx, args[1:], out)
}

// writeBundle writes the bundle for the Operator Lifecycle Manager.
func writeBundle(_ context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("bundle", flag.ContinueOnError)
	options := bundle.Options{}
	flags.StringVar(&options.Root, "root", "../..", "the folder of the repository")
	output := flags.String("output", "", "where to write instead of the repository")
	flags.StringVar(&options.Version, "version", "", "the release, without a leading v")
	flags.StringVar(&options.Image, "image", "", "the manager's image of that release")
	flags.StringVar(&options.Replaces, "replaces", "", "the release before it, without a leading v")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return bundle.Write(options, cmp.Or(*output, options.Root))
}

// buildImage builds an image into an OCI layout and prints its digest.
func buildImage(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	root := flags.String("root", "../..", "the folder of the repository")
	file := flags.String("file", "Dockerfile", "the Dockerfile, relative to it")
	output := flags.String("output", "bin/image", "the folder of the OCI layout, relative to it")
	platforms := flags.String("platform", "linux/amd64,linux/arm64", "what to build for, separated by commas")
	version := flags.String("version", "v0.0.0-dev", "the VERSION, and the tag of the image")
	commit := flags.String("commit", "", "the COMMIT")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := image.Options{
		Context:   *root,
		File:      *file,
		Arguments: map[string]string{"VERSION": *version, "COMMIT": *commit},
		Output:    filepath.Join(*root, *output),
		Tag:       *version,
	}
	var err error
	if options.Time, err = sourceDate(); err != nil {
		return err
	}
	for _, name := range strings.Split(*platforms, ",") {
		platform, err := v1.ParsePlatform(name)
		if err != nil {
			return fmt.Errorf("reading --platform: %w", err)
		}
		options.Platforms = append(options.Platforms, *platform)
	}
	digest, err := image.Build(ctx, options)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s@%s\n", options.Output, digest)
	return err
}

// sourceDate is the time in SOURCE_DATE_EPOCH, in seconds; without it the start of Unix time, so that two builds agree.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Unix(0, 0), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0), nil
}
