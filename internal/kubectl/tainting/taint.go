package tainting

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

// NewTaintCommand is `kubectl flotilla taint`.
func NewTaintCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var o choice
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "taint (CLUSTER... | -l SELECTOR | --all) KEY[=VALUE]:EFFECT... | KEY[:EFFECT]-...",
		Short: "Add taints to clusters, or remove them",
		Long: `Add taints to clusters, or remove them. A taint keeps templates away whose placement has no matching entry in
clusterTolerations. The effect NoSchedule keeps new ones away. NoExecute, with the manager's feature gate Failover, also moves
away what is there and does not tolerate it, as soon as a replacement is ready elsewhere.`,
		Example: `  # Keep new templates away, then let them come again
  kubectl flotilla taint berlin maintenance=tonight:NoSchedule
  kubectl flotilla taint berlin maintenance-

  # The same for all clusters with a label
  kubectl flotilla taint -l tier=gold dedicated=shop:NoSchedule`,
		Args: cobra.MinimumNArgs(1),
	}
	h := hostcluster.New(cmd)
	o.bind(cmd)
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "change the value of a taint that is there")
	cmd.ValidArgsFunction = h.CompleteClusters
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at := slices.IndexFunc(args, isEdit)
		if at < 0 {
			at = len(args)
		}
		e, err := parse(args[at:])
		if err != nil {
			return err
		}
		e.overwrite = overwrite
		c, err := newChanger(h, streams, o)
		if err != nil {
			return err
		}
		return c.run(cmd.Context(), args[:at], e, func(did result) string { return string(did) })
	}
	return cmd
}

// NewCordonCommand is `kubectl flotilla cordon`.
func NewCordonCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return simple(streams, &cobra.Command{
		Use:   "cordon (CLUSTER... | -l SELECTOR | --all)",
		Short: "Keep new templates away from clusters",
		Long: `Keep new templates away from clusters: mark them with the taint ` + v1alpha1.UnschedulableTaint + `:NoSchedule.
What is there stays.`,
		Example: "  kubectl flotilla cordon berlin",
	}, edit{add: []corev1.Taint{cordon()}}, "cordoned", "already cordoned")
}

// NewUncordonCommand is `kubectl flotilla uncordon`.
func NewUncordonCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return simple(streams, &cobra.Command{
		Use:   "uncordon (CLUSTER... | -l SELECTOR | --all)",
		Short: "Let templates come to clusters again",
		Long: `Let templates come to clusters again: take away what cordon and drain have put there. What a drain has moved away does
not come back by itself.`,
		Example: "  kubectl flotilla uncordon berlin",
	}, edit{remove: []corev1.Taint{cordon(), drain()}}, "uncordoned", "already uncordoned")
}

func cordon() corev1.Taint {
	return corev1.Taint{Key: v1alpha1.UnschedulableTaint, Effect: corev1.TaintEffectNoSchedule}
}

func drain() corev1.Taint {
	return corev1.Taint{Key: v1alpha1.DrainTaint, Effect: corev1.TaintEffectNoExecute}
}

// simple is a command without flags of its own.
func simple(streams genericiooptions.IOStreams, cmd *cobra.Command, e edit, done, already string) *cobra.Command {
	var o choice
	h := hostcluster.New(cmd)
	o.bind(cmd)
	cmd.ValidArgsFunction = h.CompleteClusters
	e.lenient = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := newChanger(h, streams, o)
		if err != nil {
			return err
		}
		return c.run(cmd.Context(), args, e, func(did result) string {
			if did == unchanged {
				return already
			}
			return done
		})
	}
	return cmd
}

func newChanger(h hostcluster.Host, streams genericiooptions.IOStreams, o choice) (*changer, error) {
	host, err := h.Client()
	if err != nil {
		return nil, err
	}
	return &changer{host: host, clock: clock.RealClock{}, out: streams.Out, choice: o}, nil
}

// run edits the chosen clusters. What one refuses keeps no other waiting.
func (c *changer) run(ctx context.Context, names []string, e edit, words func(result) string) error {
	clusters, err := c.choose(ctx, c.host, names)
	if err != nil {
		return err
	}
	var faults []error
	for i := range clusters {
		did, err := c.change(ctx, &clusters[i], e)
		if err == nil {
			err = c.say(&clusters[i], words(did))
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
