package kubectl

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/flotilla-dev/flotilla/internal/kubectl/interpreting"
	"github.com/flotilla-dev/flotilla/internal/kubectl/placing"
	"github.com/flotilla-dev/flotilla/internal/kubectl/rendering"
	"github.com/flotilla-dev/flotilla/internal/kubectl/tainting"
	"github.com/flotilla-dev/flotilla/internal/kubectl/uninstalling"
	"github.com/flotilla-dev/flotilla/internal/version"
)

// NewCommand makes the root command with what the plugin can do.
func NewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-flotilla",
		Short: "Run Kubernetes applications across many clusters",
		Long: `Flotilla runs Kubernetes applications across many clusters from one host cluster.

The kubeconfig and context of these commands are the host cluster's.`,
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl flotilla"},
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.AddCommand(newJoinCommand(streams), newUnjoinCommand(streams), newGetCommand(streams), newConfirmCommand(streams),
		placing.NewExplainCommand(streams), placing.NewSimulateCommand(streams), rendering.NewCommand(streams),
		interpreting.NewInterpretCommand(streams), tainting.NewTaintCommand(streams), tainting.NewCordonCommand(streams),
		tainting.NewUncordonCommand(streams), tainting.NewDrainCommand(streams), uninstalling.NewCommand(streams), newVersionCommand(streams))
	return root
}

func newVersionCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info := version.Get()
			switch output {
			case "":
				_, err := fmt.Fprintln(streams.Out, info)
				return err
			case "json":
				encoder := json.NewEncoder(streams.Out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(info)
			}
			return fmt.Errorf("unknown output format %q: use json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "output format: json")
	return cmd
}
