package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/load"
)

// chaosOptions are the flags of chaos.
type chaosOptions struct {
	seed    uint64
	total   time.Duration
	stretch time.Duration
	tour    bool
	each    time.Duration
	faults  []string
	rate    float64
}

func chaosCommand(dir *string) *cobra.Command {
	o := chaosOptions{}
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Break pieces of a running fleet at random under a steady load, and check that nothing is lost",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fleet, err := local.Open(*dir)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				o.seed = rand.Uint64()
			}
			return o.run(cmd, fleet)
		},
	}
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "decides what changes and what breaks (default a new one, which is printed)")
	cmd.Flags().DurationVar(&o.total, "for", 20*time.Minute, "how long")
	cmd.Flags().DurationVar(&o.stretch, "check-every", 4*time.Minute, "how long until the load pauses for a check")
	cmd.Flags().BoolVar(&o.tour, "tour", false, "one fault after the other instead, with a table of the gaps")
	cmd.Flags().DurationVar(&o.each, "each", 8*time.Second, "how long each fault of a tour lasts")
	cmd.Flags().StringSliceVar(&o.faults, "fault", nil, "only faults whose name contains one of these, in a tour")
	cmd.Flags().Float64Var(&o.rate, "rate", load.DefaultRate, "changes per second")
	return cmd
}

func (o chaosOptions) run(cmd *cobra.Command, fleet *local.Fleet) (err error) {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	name := fmt.Sprintf("load-%d", time.Now().Unix())
	chaos, err := load.NewChaos(ctx, fleet, load.Options{Namespace: name, Seed: o.seed, Rate: o.rate}, out)
	if err != nil {
		return err
	}
	defer func() {
		chaos.Close()
		// What a failure leaves is to be looked at.
		if err == nil {
			err = chaos.Remove(context.WithoutCancel(ctx))
		}
	}()
	if !o.tour {
		return chaos.Random(ctx, o.seed, o.total, o.stretch)
	}
	rows, err := chaos.Tour(ctx, load.Named(load.Faults(fleet), o.faults...), o.each)
	return errors.Join(err, load.Table(out, rows))
}
