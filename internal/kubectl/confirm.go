package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

func newConfirmCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "confirm (--all | NAME...)",
		Short: "Say that a host that was restored from a backup is right about members",
		Long: `Say that a host that was restored from a backup is right about members. What they hold of the time that the host has forgotten
is overwritten with what the host has now, or removed where the host does not want it. Nothing brings it back.
It is said of what the host has forgotten by now; a restoration that follows has to be confirmed again.`,
		Example: `  kubectl flotilla confirm berlin paris`,
	}
	h := hostcluster.New(cmd)
	cmd.ValidArgsFunction = h.CompleteClusters
	cmd.Flags().BoolVar(&all, "all", false, "confirm all members that have joined")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if all == (len(names) > 0) {
			return errors.New("say which members, or --all")
		}
		c, err := h.Client()
		if err != nil {
			return err
		}
		return confirm(cmd.Context(), c, streams.Out, names)
	}
	return cmd
}

// confirm writes down in Clusters that the host is right; in all of them when none is named.
func confirm(ctx context.Context, c client.Client, out io.Writer, names []string) error {
	clusters, err := hostcluster.Clusters(ctx, c)
	if err != nil {
		return err
	}
	for _, name := range names { // before anything is written
		if !slices.Contains(hostcluster.Names(clusters), name) {
			return hostcluster.NotJoined(name, clusters)
		}
	}
	// For people. What counts is when the host's API server sees it change, so it must not be what it was before.
	now := clock.RealClock{}.Now().UTC().Format(time.RFC3339Nano)
	for i := range clusters {
		cluster := &clusters[i]
		if len(names) > 0 && !slices.Contains(names, cluster.Name) {
			continue
		}
		before := cluster.DeepCopy()
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, v1alpha1.ConfirmedAnnotation, now)
		if err := c.Patch(ctx, cluster, client.MergeFrom(before), client.FieldOwner(v1alpha1.ConfirmedManager)); err != nil {
			return fmt.Errorf("confirming the Cluster %s: %w", cluster.Name, err)
		}
		if _, err := fmt.Fprintf(out, "cluster %s confirmed\n", cluster.Name); err != nil {
			return err
		}
	}
	return nil
}
