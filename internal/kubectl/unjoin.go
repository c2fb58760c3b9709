package kubectl

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

type unjoinFlags struct {
	keep    bool
	force   bool
	wait    bool
	timeout time.Duration
}

func newUnjoinCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var f unjoinFlags
	cmd := &cobra.Command{
		Use:   "unjoin NAME",
		Short: "Let a member leave",
		Long: `Let a member leave. Flotilla removes from it what it put there: the objects that it propagated, its account
and its rights. With --keep the propagated objects stay and belong to the member from then on.

A member that does not answer cannot be cleaned: unjoin waits for it. With --force it goes anyway, and what
stays behind is named.`,
		Example: `  kubectl flotilla unjoin berlin
  kubectl flotilla unjoin paris --keep`,
		Args: cobra.ExactArgs(1),
	}
	h := hostcluster.New(cmd)
	cmd.ValidArgsFunction = h.CompleteClusters
	flags := cmd.Flags()
	flags.BoolVar(&f.keep, "keep", false, "leave the propagated objects in the member")
	flags.BoolVar(&f.force, "force", false, "give up on what cannot be cleaned because the member does not answer")
	flags.BoolVar(&f.wait, "wait", true, "wait until the member has left")
	flags.DurationVar(&f.timeout, "timeout", waitTimeout, "how long to wait")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := h.Client()
		if err != nil {
			return err
		}
		return f.run(cmd.Context(), c, streams.Out, args[0])
	}
	return cmd
}

func (f *unjoinFlags) run(ctx context.Context, c client.Client, out io.Writer, name string) error {
	clusters, err := hostcluster.Clusters(ctx, c)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(clusters, func(cluster v1alpha1.Cluster) bool { return cluster.Name == name })
	if at < 0 {
		return hostcluster.NotJoined(name, clusters)
	}
	cluster := &clusters[at]
	if err := f.leave(ctx, c, cluster); err != nil {
		return err
	}
	if !f.wait {
		_, err := fmt.Fprintf(out, "cluster %s is leaving\n", name)
		return err
	}
	if err := waitGone(ctx, c, cluster, f.timeout, out); err != nil {
		return err
	}
	return f.conclude(ctx, c, cluster, out)
}

// leave says how the member leaves, then deletes the Cluster.
func (f *unjoinFlags) leave(ctx context.Context, c client.Client, cluster *v1alpha1.Cluster) error {
	before := cluster.DeepCopy()
	if f.keep {
		cluster.Spec.DeletionPolicy = v1alpha1.KeepObjects
	}
	if f.force {
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, v1alpha1.ForceDeleteAnnotation, "true")
	}
	if f.keep || f.force {
		if err := c.Patch(ctx, cluster, client.MergeFrom(before), fieldOwner); err != nil {
			return fmt.Errorf("saying how the Cluster %s leaves: %w", cluster.Name, err)
		}
	}
	if err := c.Delete(ctx, cluster, client.Preconditions{UID: &before.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the Cluster %s: %w", cluster.Name, err)
	}
	return nil
}

// conclude says how it ended, and what stays in the member.
func (f *unjoinFlags) conclude(ctx context.Context, c client.Client, cluster *v1alpha1.Cluster, out io.Writer) error {
	ending := "left"
	if cluster.Spec.DeletionPolicy == v1alpha1.KeepObjects {
		ending = "left; what it propagated stays in the member, without Flotilla's marks"
	}
	if f.force {
		// Without the right to read events it is not known what stays.
		notes, err := hostcluster.LeftBehind(ctx, c, hostcluster.LeftBehindPatience, *cluster)
		if err != nil {
			ending = fmt.Sprintf("left; what stays in the member is not known (%v)", err)
		}
		if note, ok := notes[cluster.UID]; ok {
			ending = "left: " + note
		}
	}
	_, err := fmt.Fprintf(out, "cluster %s %s\n", cluster.Name, ending)
	return err
}
