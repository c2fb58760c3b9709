// Package main is the one Flotilla binary: `flotilla manager` on the host, and everything else as the
// kubectl plugin, also under the name kubectl-flotilla.
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubeconfigs of cloud providers
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flotilla-dev/flotilla/internal/kubectl"
	"github.com/flotilla-dev/flotilla/internal/manager"
)

func main() {
	if err := newCommand().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	root := kubectl.NewCommand(streams)
	root.AddCommand(manager.NewCommand())
	return root
}
