package uninstalling

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

const (
	// defaultTimeout is how long the command waits for members. Leaving takes seconds for each that answers.
	defaultTimeout = 10 * time.Minute
	// defaultPoll is how often it looks.
	defaultPoll = 500 * time.Millisecond
	// fieldOwner is the field manager of the plugin's writes.
	fieldOwner = client.FieldOwner("kubectl-flotilla")
)

// What becomes of template namespaces.
const (
	templatesDelete  = "delete"
	templatesRelease = "release"
)

// settings are the command's flags.
type settings struct {
	yes        bool
	remove     bool
	force      bool
	namespaces string
	timeout    time.Duration
}

// NewCommand is `kubectl flotilla uninstall`.
func NewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	u := uninstaller{out: streams.Out, poll: defaultPoll}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Let every member leave, so that Flotilla can be deleted from the host",
		Long: `Let every member leave, so that Flotilla can be deleted from the host. What runs in the members stays there and belongs to them
from then on, without Flotilla's marks and account; with --remove it is removed, but for the namespaces. Policies and bindings are deleted.

Without --yes it only says what it would do. It may be run again when it ended early. When it is done, delete what you have
installed, with the folder that you installed from, or with OLM the Subscription and the ClusterServiceVersion:

  kubectl delete -k FOLDER

Deleting that first is refused for as long as a Cluster is joined: nobody would be left to tell the members.`,
		Example: `  # Say what would be done, then do it
  kubectl flotilla uninstall
  kubectl flotilla uninstall --yes

  # Remove from the members what Flotilla put there, and delete the templates with their namespaces
  kubectl flotilla uninstall --remove --template-namespaces=delete --yes`,
		Args: cobra.NoArgs,
	}
	h := hostcluster.New(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&u.yes, "yes", false, "do it; without, it is only said what would be done")
	flags.BoolVar(&u.remove, "remove", false, "remove from the members what Flotilla put there")
	flags.BoolVar(&u.force, "force", false, "give up on members that do not answer, and say what stays there; it keeps Flotilla's marks")
	flags.StringVar(&u.namespaces, "template-namespaces", "", `what becomes of template namespaces, once the admission policies that keep `+
		`the host from running what is in them are gone: "delete" them, or "release" them to the host, which then runs it`)
	flags.DurationVar(&u.timeout, "timeout", defaultTimeout, "how long to wait for the members")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := h.Client()
		if err != nil {
			return err
		}
		u.client = c
		return u.run(cmd.Context())
	}
	return cmd
}

// uninstaller takes Flotilla's objects from a host.
type uninstaller struct {
	settings
	client client.Client
	out    io.Writer
	poll   time.Duration
	// left are the Clusters that were told to leave.
	left []v1alpha1.Cluster
}

func (u *uninstaller) run(ctx context.Context) error {
	if err := refuseSettings(u.settings); err != nil {
		return err
	}
	found, err := u.look(ctx)
	if err != nil {
		return err
	}
	if err := u.say(plan(found, u.settings)...); err != nil {
		return err
	}
	if err := refuse(found, u.settings); err != nil || !u.yes {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	for _, step := range u.steps() {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return u.say(append(u.leftBehind(ctx), conclusion)...)
}

// steps are in an order in which none undoes another, and in which no member loses what it is to keep:
// policies, so that no binding comes back; decisions, so that nothing moves from a cluster that leaves to the next; Clusters, whose
// policy about objects must be known before the bindings are deleted; then the bindings.
func (u *uninstaller) steps() []func(context.Context) error {
	if u.remove {
		return []func(context.Context) error{u.deletePolicies, u.deleteBindings, u.deleteClusters, u.await, u.releaseNamespaces}
	}
	return []func(context.Context) error{
		u.deletePolicies, u.stopDecisions, u.deleteClusters, u.awaitLeaving, u.deleteBindings, u.await, u.releaseNamespaces,
	}
}

func (u *uninstaller) say(lines ...string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(u.out, line); err != nil {
			return err
		}
	}
	return nil
}
