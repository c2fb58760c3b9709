package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

func main() {
	// What fails is returned and printed; the libraries have nothing to add.
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:          "fleet",
		Short:        "Start, break, repair and stop a fleet of real control planes on this machine",
		SilenceUsage: true,
	}
	dir := root.PersistentFlags().String("dir", ".fleet", "folder of the fleet")
	root.AddCommand(buildCommand(), upCommand(dir), downCommand(dir), chaosCommand(dir), proxyCommand(dir), guardCommand(dir))
	root.AddCommand(rightsCommand())
	root.AddCommand(faultCommands(dir)...)
	return root
}

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the pinned Kubernetes programs once per user and print where they are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := kubebin.Root()
			if err != nil {
				return err
			}
			set, err := kubebin.Ensure(cmd.Context(), root, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), set.Dir)
			return err
		},
	}
}

func rightsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rights FOLDER",
		Short: "Print the rights of the managers' roles that no test has used which wrote into FOLDER (" + local.RightsVariable + ")",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			unused, err := local.UnusedRights(args[0])
			if err != nil {
				return err
			}
			for _, line := range unused {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func upCommand(dir *string) *cobra.Command {
	options := local.Options{}
	var size string
	var groups []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a host and members; with managers also install config/ and join the members",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Dir, options.Progress = *dir, cmd.OutOrStdout()
			if err := readNodes(&options, size, groups); err != nil {
				return err
			}
			begin := time.Now()
			if _, err := local.Up(cmd.Context(), options); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%-40s %6.1fs\nexport KUBECONFIG=%s/host.kubeconfig\n",
				"the fleet is up", time.Since(begin).Seconds(), *dir)
			return err
		},
	}
	cmd.Flags().IntVar(&options.Members, "members", 3, "number of member clusters")
	cmd.Flags().IntVar(&options.Nodes, "nodes", local.DefaultNodes, "number of nodes of each member")
	cmd.Flags().StringVar(&size, "node-size", "", "what each node offers, such as cpu=4,memory=8Gi,pods=110 (default cpu=16,memory=64Gi,pods=250)")
	cmd.Flags().StringArrayVar(&groups, "member-nodes", nil, "other nodes for one member, such as member1=2xcpu=4,memory=8Gi; may be repeated")
	cmd.Flags().IntVar(&options.Apart, "apart", 0, "how many members, the last ones, are not joined; see join")
	cmd.Flags().IntVar(&options.Managers, "managers", 0, "number of managers; 0 leaves Flotilla out")
	cmd.Flags().StringVar(&options.ManagerConfig, "manager-config", "", "configuration file of the managers (default config/manager/config.yaml)")
	cmd.Flags().StringVar(&options.Topology, "topology", local.TopologySingle, "topology of the host: single, stacked or external; the last two need HAProxy")
	return cmd
}

// readNodes puts the flags about nodes into the options.
func readNodes(options *local.Options, size string, groups []string) error {
	var err error
	if size != "" {
		if options.NodeSize, err = local.ParseNodeSize(size); err != nil {
			return err
		}
	}
	for _, text := range groups {
		member, nodes, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("reading --member-nodes: %q is not of the form member1=2xcpu=4", text)
		}
		group, err := local.ParseNodeGroup(nodes)
		if err != nil {
			return err
		}
		if options.MemberNodes == nil {
			options.MemberNodes = map[string]local.NodeGroup{}
		}
		options.MemberNodes[member] = group
	}
	return nil
}

func downCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the fleet, also after a crash; only its logs stay",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return local.Down(cmd.Context(), *dir, cmd.OutOrStdout())
		},
	}
}

// faultCommands are the commands that do something to one named part of a running fleet.
func faultCommands(dir *string) []*cobra.Command {
	var latency time.Duration
	commands := []struct {
		use, short string
		do         func(*local.Fleet, context.Context, string) error
	}{
		{"kill", "End a cluster, a manager or one process at once (SIGKILL)", (*local.Fleet).Kill},
		{"stop", "Suspend a cluster, a manager or one process (SIGSTOP)", (*local.Fleet).Stop},
		{"start", "Resume what is suspended, start again what is dead", (*local.Fleet).Start},
		{"join", "Join a member that was left apart, and wait until it is Ready", (*local.Fleet).Join},
		{"cut", "Cut the network to a cluster, from one manager to the host, or to one piece of a host with a balancer", (*local.Fleet).Cut},
		{"heal", "Repair the network", (*local.Fleet).Heal},
		{"fill", "Fill the store of a cluster: etcd's alarm NOSPACE", (*local.Fleet).Fill},
		{"free", "Give the store of a cluster room again", (*local.Fleet).Free},
		{"expire", "Let the certificate of the API servers of a cluster expire", (*local.Fleet).Expire},
		{"renew", "Give the API servers of a cluster a good certificate again", (*local.Fleet).Renew},
		{"slow", "Add latency to the network", func(f *local.Fleet, ctx context.Context, name string) error {
			return f.Slow(ctx, name, latency)
		}},
	}
	var all []*cobra.Command
	for _, c := range commands {
		cmd := &cobra.Command{
			Use:   c.use + " NAME",
			Short: c.short,
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				fleet, err := local.Open(*dir)
				if err != nil {
					return err
				}
				return c.do(fleet, cmd.Context(), args[0])
			},
		}
		if c.use == "slow" {
			cmd.Flags().DurationVar(&latency, "latency", 200*time.Millisecond, "added to each round trip")
		}
		all = append(all, cmd)
	}
	return all
}

func proxyCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:    "proxy",
		Short:  "Serve the network between the clusters (up starts this)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return local.ServeProxy(cmd.Context(), *dir)
		},
	}
}

func guardCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:    "guard",
		Short:  "Stop the fleet when standard input ends (tests start this)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return local.Guard(cmd.Context(), *dir, cmd.InOrStdin())
		},
	}
}
