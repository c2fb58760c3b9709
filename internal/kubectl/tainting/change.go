package tainting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

// fieldOwner is the plugin's field manager on the host.
const fieldOwner = client.FieldOwner("kubectl-flotilla")

// choice is the flags that choose clusters and say how they are changed.
type choice struct {
	selector string
	all      bool
	dryRun   string
}

func (o *choice) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.selector, "selector", "l", "", "choose clusters by their labels, such as tier=gold")
	flags.BoolVar(&o.all, "all", false, "choose all clusters")
	flags.StringVar(&o.dryRun, "dry-run", "none", `"none", "client" or "server": only say what would be done; server asks the host, too`)
	flags.Lookup("dry-run").NoOptDefVal = "client"
}

// choose finds the clusters that names and flags choose, sorted by name.
func (o *choice) choose(ctx context.Context, c client.Reader, names []string) ([]v1alpha1.Cluster, error) {
	if err := o.check(names); err != nil {
		return nil, err
	}
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return nil, fmt.Errorf("reading --selector: %w", err)
	}
	clusters, err := hostcluster.Clusters(ctx, c)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(clusters, func(a, b v1alpha1.Cluster) int { return strings.Compare(a.Name, b.Name) })
	known := hostcluster.Names(clusters)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, hostcluster.NotJoined(name, clusters)
		}
	}
	chosen := slices.DeleteFunc(clusters, func(c v1alpha1.Cluster) bool {
		return len(names) > 0 && !slices.Contains(names, c.Name) || !selector.Matches(labels.Set(c.Labels))
	})
	if len(chosen) == 0 {
		return nil, errors.New("no cluster is chosen")
	}
	return chosen, nil
}

func (o *choice) check(names []string) error {
	if !slices.Contains([]string{"none", "client", "server"}, o.dryRun) {
		return fmt.Errorf("unknown --dry-run %q: use none, client or server", o.dryRun)
	}
	ways := 0
	for _, used := range []bool{len(names) > 0, o.selector != "", o.all} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("choose clusters in one way: by name, with --selector, or with --all")
	}
	return nil
}

// note is what is added to a line about what was not really done.
func (o *choice) note() string {
	switch o.dryRun {
	case "client":
		return " (dry run)"
	case "server":
		return " (server dry run)"
	}
	return ""
}

// changer edits the taints of clusters on the host.
type changer struct {
	host  client.Client
	clock clock.PassiveClock
	out   io.Writer
	choice
}

// change edits the taints of one cluster, and reads it anew when somebody else has changed it meanwhile.
func (c *changer) change(ctx context.Context, cluster *v1alpha1.Cluster, e edit) (result, error) {
	var did result
	first := true
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if !first {
			if err := c.host.Get(ctx, client.ObjectKeyFromObject(cluster), cluster); err != nil {
				return fmt.Errorf("reading the Cluster %s: %w", cluster.Name, err)
			}
		}
		first = false
		taints, done, err := e.apply(cluster.Spec.Taints, metav1.NewTime(c.clock.Now()))
		if err != nil {
			return fmt.Errorf("cluster %s %w", cluster.Name, err)
		}
		did = done
		if done == unchanged || c.dryRun == "client" {
			return nil
		}
		before := cluster.DeepCopy()
		cluster.Spec.Taints = taints
		options := []client.PatchOption{fieldOwner}
		if c.dryRun == "server" {
			options = append(options, client.DryRunAll)
		}
		err = c.host.Patch(ctx, cluster, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), options...)
		if err != nil {
			return fmt.Errorf("changing the taints of the Cluster %s: %w", cluster.Name, err)
		}
		return nil
	})
	return did, err
}

// say prints what was done to a cluster, as kubectl does.
func (c *changer) say(cluster *v1alpha1.Cluster, what string) error {
	_, err := fmt.Fprintf(c.out, "cluster.%s/%s %s%s\n", v1alpha1.GroupName, cluster.Name, what, c.note())
	return err
}
