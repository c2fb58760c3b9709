package interpreting

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

// NewInterpretCommand is `kubectl flotilla interpret`.
func NewInterpretCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var files []string
	var output string
	cmd := &cobra.Command{
		Use:   "interpret -f FILE...",
		Short: "Show what Flotilla understands of an object",
		Long: `Show what Flotilla understands of the objects in files: their replicas or components and what one of them needs, their
health, what of their status is brought to the host, and what they depend on. No cluster is asked.

ResourceInterpreters in the files count as if they were on the host, so that they can be tried before they are. An
expression that does not compile, or that fails on an object, is an error.`,
		Example: `  # What is understood of a Deployment
  kubectl flotilla interpret -f deployment.yaml

  # Try an interpreter on an object as it is in a cluster
  kubectl get database orders -o yaml | kubectl flotilla interpret -f - -f interpreter.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if output != "table" && output != "json" && output != "yaml" {
				return fmt.Errorf("unknown output format %q: use table, json or yaml", output)
			}
			input, err := read(files, streams.In)
			if err != nil {
				return err
			}
			kinds := interpreter.New()
			kinds.Teach(nil, input.meanings)
			understood := make([]Understanding, 0, len(input.objects))
			for _, object := range input.objects {
				understood = append(understood, understand(kinds, object))
			}
			if err := show(streams.Out, output, understood); err != nil {
				return err
			}
			return failures(input, understood)
		},
	}
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, `a file with objects and ResourceInterpreters, "-" for stdin; may be given several times`)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "output format: table, json or yaml")
	_ = cmd.MarkFlagRequired("filename") // it fails for flags that do not exist
	return cmd
}

// failures is the error that ends the command when something could not be understood.
func failures(in input, understood []Understanding) error {
	errs := in.problems
	for _, u := range understood {
		for _, message := range u.Errors {
			errs = append(errs, fmt.Errorf("%s: %s", u.title(), message))
		}
	}
	return errors.Join(errs...)
}

func show(out io.Writer, output string, understood []Understanding) error {
	if output == "table" {
		return table(out, understood)
	}
	text, err := json.MarshalIndent(understood, "", "  ")
	if err == nil && output == "yaml" {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return fmt.Errorf("preparing the output: %w", err)
	}
	_, err = fmt.Fprintln(out, strings.TrimSuffix(string(text), "\n"))
	return err
}
