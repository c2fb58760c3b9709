package tainting

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

// defaultPoll is how often drain looks how far the manager is.
const defaultPoll = time.Second

// maxNamed is how many templates are named at once.
const maxNamed = 20

// NewDrainCommand is `kubectl flotilla drain`.
func NewDrainCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var o choice
	d := drainer{poll: defaultPoll}
	cmd := &cobra.Command{
		Use:   "drain (CLUSTER... | -l SELECTOR | --all)",
		Short: "Move what runs in clusters to other clusters",
		Long: `Move what runs in clusters to other clusters, in preparation for maintenance, and wait until it is gone. The clusters are
cordoned, and get the taint ` + v1alpha1.DrainTaint + `:NoExecute.

Every template leaves when its replacement is ready elsewhere, so that nothing is interrupted, and within its policy's disruption
budget. One for which no other cluster has room stays until there is; the command says which, and why. Templates whose placement
tolerates the taint for ever stay, and so do Jobs that have ended.

The manager does the moving: it goes on when this command ends early, by --timeout or Ctrl-C. End it, or let the cluster
be used again after the maintenance, with: kubectl flotilla uncordon CLUSTER. What has moved does not come back by itself.`,
		Example: `  # Empty a cluster; give up watching after ten minutes
  kubectl flotilla drain berlin --timeout=10m

  # Say only what would be moved
  kubectl flotilla drain berlin --dry-run`,
	}
	h := hostcluster.New(cmd)
	o.bind(cmd)
	cmd.Flags().DurationVar(&d.timeout, "timeout", 0, "how long to wait; 0 for as long as it takes")
	cmd.Flags().BoolVar(&d.wait, "wait", true, "wait until the clusters are empty")
	cmd.ValidArgsFunction = h.CompleteClusters
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := newChanger(h, streams, o)
		if err != nil {
			return err
		}
		d.changer = c
		return d.run(cmd.Context(), args)
	}
	return cmd
}

// drainer drains clusters and tells how it goes.
type drainer struct {
	*changer
	wait    bool
	timeout time.Duration
	poll    time.Duration
	// last is what was last seen of each cluster that is not empty.
	last map[string]standing
}

func (d *drainer) run(ctx context.Context, names []string) error {
	clusters, err := d.choose(ctx, d.host, names)
	if err != nil {
		return err
	}
	for i := range clusters {
		did, err := d.change(ctx, &clusters[i], edit{add: []corev1.Taint{cordon(), drain()}})
		if err != nil {
			return err
		}
		words := "cordoned"
		if did == unchanged {
			words = "already cordoned"
		}
		if err := d.say(&clusters[i], words); err != nil {
			return err
		}
		if err := d.sayLost(&clusters[i]); err != nil {
			return err
		}
	}
	if d.dryRun != "none" {
		return d.preview(ctx, clusters)
	}
	if !d.wait {
		return nil
	}
	return d.watch(ctx, clusters)
}

// preview names what a drain would move.
func (d *drainer) preview(ctx context.Context, clusters []v1alpha1.Cluster) error {
	bindings, err := hostindex.AllBindings(ctx, d.host)
	if err != nil {
		return err
	}
	for i := range clusters {
		s := look(bindings, clusters[i].Name)
		for _, template := range slices.Sorted(maps.Keys(s.left)) {
			if _, err := fmt.Fprintf(d.out, "%s would be moved from %s%s\n", template, clusters[i].Name, d.note()); err != nil {
				return err
			}
		}
		if err := d.sayStays(&clusters[i], s); err != nil {
			return err
		}
		if err := d.say(&clusters[i], "drained"); err != nil {
			return err
		}
	}
	return nil
}

// watch tells what leaves, until nothing is left in any of the clusters.
func (d *drainer) watch(ctx context.Context, clusters []v1alpha1.Cluster) error {
	d.last = map[string]standing{}
	var err error
	done := func(ctx context.Context) (bool, error) { return d.step(ctx, clusters) }
	if d.timeout > 0 {
		err = wait.PollUntilContextTimeout(ctx, d.poll, d.timeout, true, done)
	} else {
		err = wait.PollUntilContextCancel(ctx, d.poll, true, done)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("no longer watched, but the manager goes on with the drain of %s. To end it, run: kubectl flotilla uncordon %s",
			strings.Join(d.unfinished(), ", "), strings.Join(d.unfinished(), " "))
	case errors.Is(err, context.DeadlineExceeded):
		return d.overdue()
	}
	return err
}

// step looks once at all clusters that are not empty yet; true when all are.
func (d *drainer) step(ctx context.Context, clusters []v1alpha1.Cluster) (bool, error) {
	bindings, err := hostindex.AllBindings(ctx, d.host)
	if err != nil {
		return false, err
	}
	empty := true
	for i := range clusters {
		name := clusters[i].Name
		before, seen := d.last[name]
		if seen && len(before.left) == 0 {
			continue
		}
		now := look(bindings, name)
		d.last[name] = now
		if err := d.tell(&clusters[i], before, now, seen); err != nil {
			return false, err
		}
		empty = empty && len(now.left) == 0
	}
	return empty, nil
}

// tell prints what is new in a cluster.
func (d *drainer) tell(cluster *v1alpha1.Cluster, before, now standing, seen bool) error {
	if !seen {
		if err := d.sayStays(cluster, now); err != nil {
			return err
		}
	}
	for _, template := range slices.Sorted(maps.Keys(before.left)) {
		if _, stays := now.left[template]; !stays {
			how := departure(cluster)
			if slices.Contains(now.stays, template) {
				how = "need not leave any more, and stays in"
			}
			if _, err := fmt.Fprintf(d.out, "%s %s %s\n", template, how, cluster.Name); err != nil {
				return err
			}
		}
	}
	if len(now.left) == 0 {
		return d.say(cluster, "drained")
	}
	if seen && len(before.left) == len(now.left) && before.moving == now.moving {
		return nil
	}
	_, err := fmt.Fprintf(d.out, "%s: %s left, %d of them on the way\n", cluster.Name, conditions.Count(len(now.left), "template"), now.moving)
	return err
}

// departure says how templates leave a cluster: one that does not answer keeps its copies until it does.
func departure(cluster *v1alpha1.Cluster) string {
	if answers(cluster) {
		return "moved from"
	}
	return "has its replicas elsewhere now, no longer in"
}

// answers is false for a cluster that is known not to be Ready.
func answers(cluster *v1alpha1.Cluster) bool {
	return !meta.IsStatusConditionFalse(cluster.Status.Conditions, v1alpha1.ConditionReady)
}

// sayLost warns of a cluster from which nothing can be removed.
func (d *drainer) sayLost(cluster *v1alpha1.Cluster) error {
	if answers(cluster) {
		return nil
	}
	why := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady).Reason
	_, err := fmt.Fprintf(d.out, "%s is not Ready (%s): its copies are removed when it answers again\n", cluster.Name, why)
	return err
}

// sayStays names what a drain leaves alone.
func (d *drainer) sayStays(cluster *v1alpha1.Cluster, s standing) error {
	if len(s.stays) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(d.out, "%s keeps what tolerates the taint or has ended, and what that needs: %s\n", cluster.Name, enumerate(s.stays))
	return err
}

func (d *drainer) unfinished() []string {
	var names []string
	for name, s := range d.last {
		if len(s.left) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// overdue is the error about what is still there when the time is over.
func (d *drainer) overdue() error {
	var lines []string
	for _, name := range d.unfinished() {
		left := d.last[name].left
		titles := slices.Sorted(maps.Keys(left))
		for _, template := range titles[:min(len(titles), maxNamed)] {
			lines = append(lines, fmt.Sprintf("  %s: %s: %s", name, template, left[template]))
		}
		if more := len(titles) - maxNamed; more > 0 {
			lines = append(lines, fmt.Sprintf("  %s: and %d more", name, more))
		}
	}
	return fmt.Errorf("not drained after %s; the manager goes on with it. To end it, run: kubectl flotilla uncordon %s\nStill there:\n%s",
		d.timeout, strings.Join(d.unfinished(), " "), strings.Join(lines, "\n"))
}

func enumerate(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
