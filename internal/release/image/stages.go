package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/flotilla-dev/flotilla/internal/release/dockerfile"
)

// run is one build for one platform.
type run struct {
	options  Options
	platform v1.Platform
	// dir holds one folder per stage that has been prepared.
	dir string
	// stages are those folders by the name of their stage.
	stages map[string]string
}

// arguments takes a stage's ARG into account: what the caller gave wins over the default. What Docker itself says about
// the platform has to be declared too.
func (r *run) arguments(step dockerfile.Step, declared map[string]string) {
	given := map[string]string{"TARGETOS": r.platform.OS, "TARGETARCH": r.platform.Architecture}
	maps.Copy(given, r.options.Arguments)
	for _, word := range strings.Fields(step.Text) {
		name, value, _ := strings.Cut(word, "=")
		value = strings.Trim(value, `"`)
		if override, ok := given[name]; ok {
			value = override
		}
		declared[name] = value
	}
}

// prepare follows a stage that builds something. Its commands run on this machine, in the stage's folder.
func (r *run) prepare(ctx context.Context, stage dockerfile.Stage) error {
	root := filepath.Join(r.dir, stage.Name)
	r.stages[stage.Name] = root
	arguments, folder := map[string]string{}, "/"
	for _, step := range stage.Steps {
		var err error
		switch step.Name {
		case "ARG":
			r.arguments(step, arguments)
		case "WORKDIR":
			folder = path.Join(folder, step.Text)
			err = os.MkdirAll(filepath.Join(root, folder), 0o755)
		case "COPY":
			err = r.copyInto(root, folder, step)
		case "RUN":
			err = execute(ctx, filepath.Join(root, folder), dockerfile.Expand(step.Text, arguments), arguments)
		default:
			err = errors.New("has no meaning in a stage that is not shipped")
		}
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", step.Line, step.Name, err)
		}
	}
	return nil
}

// copyInto copies what COPY names from the context into the folder of a stage.
func (r *run) copyInto(root, folder string, step dockerfile.Step) error {
	if step.Flags["from"] != "" {
		return errors.New("a stage that builds copies from the context only")
	}
	files, err := r.source(step)
	if err != nil {
		return err
	}
	for target, origin := range files {
		if !path.IsAbs(target) {
			target = path.Join(folder, target)
		}
		content, err := os.ReadFile(origin)
		if err != nil {
			return fmt.Errorf("copying: %w", err)
		}
		to := filepath.Join(root, target)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("copying: %w", err)
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return fmt.Errorf("copying: %w", err)
		}
	}
	return nil
}

// source returns the files that COPY names: where they go, and where they are.
func (r *run) source(step dockerfile.Step) (map[string]string, error) {
	words := strings.Fields(step.Text)
	if len(words) < 2 {
		return nil, errors.New("wants SOURCE... TARGET")
	}
	sources, target := words[:len(words)-1], words[len(words)-1]
	files := map[string]string{}
	for _, source := range sources {
		found, err := r.find(step.Flags["from"], source)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("there is no %s", source)
		}
		for name, origin := range found {
			switch {
			case name != "." || strings.HasSuffix(target, "/"):
				if name == "." {
					name = path.Base(source)
				}
				files[path.Join(target, name)] = origin
			default:
				files[target] = origin
			}
		}
	}
	return files, nil
}

// find lists the files below a source, by their path relative to it; a file itself is ".".
func (r *run) find(stage, source string) (map[string]string, error) {
	if stage == "" {
		return inContext(r.options.Context, source)
	}
	root, ok := r.stages[stage]
	if !ok {
		return nil, fmt.Errorf("there is no stage %s", stage)
	}
	origin := filepath.Join(root, source)
	if _, err := os.Stat(origin); errors.Is(err, fs.ErrNotExist) {
		// The stage did not make it, so it comes from the base image, and this machine stands in for that.
		origin = source
	}
	info, err := os.Stat(origin)
	if err != nil {
		return nil, fmt.Errorf("copying from %s: %w", stage, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("copying from %s: %s is a folder, name the files", stage, source)
	}
	return map[string]string{".": origin}, nil
}

// execute runs a command as Docker's shell would. Flags that the user has set for all of Go would change the outcome.
func execute(ctx context.Context, folder, command string, variables map[string]string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		cmd.Env = append(cmd.Env, name+"="+variables[name])
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %q: %w\n%s", command, err, output)
	}
	return nil
}

// ship follows the last stage: each COPY is a layer, the rest is configuration.
func (r *run) ship(stage dockerfile.Stage) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config := v1.Config{Labels: map[string]string{}}
	arguments := map[string]string{}
	var layers []mutate.Addendum
	for _, step := range stage.Steps {
		var err error
		switch step.Name {
		case "ARG":
			r.arguments(step, arguments)
		case "COPY":
			var layer mutate.Addendum
			layer, err = r.layer(step)
			layers = append(layers, layer)
		default:
			err = configure(&config, step, arguments)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", step.Line, step.Name, err)
		}
	}
	image, err := mutate.Append(image, layers...)
	if err != nil {
		return nil, fmt.Errorf("joining the layers: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("describing the image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = r.platform.OS, r.platform.Architecture
	file.Created = v1.Time{Time: r.options.Time.UTC()}
	file.Config = config
	return mutate.ConfigFile(image, file)
}

// configure notes what a step says about how the image runs.
func configure(config *v1.Config, step dockerfile.Step, arguments map[string]string) (err error) {
	switch step.Name {
	case "LABEL":
		labels, err := step.Pairs(arguments)
		maps.Copy(config.Labels, labels)
		return err
	case "USER":
		config.User = step.Text
	case "WORKDIR":
		config.WorkingDir = step.Text
	case "ENTRYPOINT":
		config.Entrypoint, err = step.List()
	case "CMD":
		config.Cmd, err = step.List()
	default:
		err = errors.New("has no meaning in a stage that starts from nothing")
	}
	return err
}
