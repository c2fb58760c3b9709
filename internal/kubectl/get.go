package kubectl

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/utils/clock"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

func newGetCommand(streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{Use: "get", Short: "Show what Flotilla runs"}
	cmd.AddCommand(newGetClustersCommand(streams))
	return cmd
}

func newGetClustersCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "clusters [NAME...]",
		Aliases: []string{"cluster", "fcl"},
		Short:   "List the clusters that have joined",
		Example: "  kubectl flotilla get clusters -o wide",
	}
	h := hostcluster.New(cmd)
	cmd.ValidArgsFunction = h.CompleteClusters
	cmd.Flags().StringVarP(&output, "output", "o", "", "output format: wide, name, json or yaml")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := h.Client()
		if err != nil {
			return err
		}
		clusters, err := hostcluster.Clusters(cmd.Context(), c)
		if err != nil {
			return err
		}
		if clusters, err = pick(clusters, args); err != nil {
			return err
		}
		return printClusters(streams, clusters, output, clock.RealClock{}.Now())
	}
	return cmd
}

// pick keeps the named clusters, or all without names, sorted by name.
func pick(clusters []v1alpha1.Cluster, names []string) ([]v1alpha1.Cluster, error) {
	slices.SortFunc(clusters, func(a, b v1alpha1.Cluster) int { return strings.Compare(a.Name, b.Name) })
	if len(names) == 0 {
		return clusters, nil
	}
	known := hostcluster.Names(clusters)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, hostcluster.NotJoined(name, clusters)
		}
	}
	return slices.DeleteFunc(clusters, func(c v1alpha1.Cluster) bool { return !slices.Contains(names, c.Name) }), nil
}

func printClusters(streams genericiooptions.IOStreams, clusters []v1alpha1.Cluster, output string, now time.Time) error {
	switch output {
	case "", "wide":
		return printTable(streams, clusters, output == "wide", now)
	case "name", "json", "yaml":
		flags := genericclioptions.NewPrintFlags("").WithTypeSetter(hostcluster.Scheme)
		flags.OutputFormat = &output
		printer, err := flags.ToPrinter()
		if err != nil {
			return fmt.Errorf("preparing the output: %w", err)
		}
		return printAll(streams.Out, printer, clusters, output)
	}
	return fmt.Errorf("unknown output format %q: use wide, name, json or yaml", output)
}

func printAll(out io.Writer, printer printers.ResourcePrinter, clusters []v1alpha1.Cluster, output string) error {
	objects := []runtime.Object{&v1alpha1.ClusterList{Items: clusters}}
	if output == "name" || len(clusters) == 1 {
		objects = nil
		for i := range clusters {
			objects = append(objects, &clusters[i])
		}
	}
	for _, obj := range objects {
		if err := printer.PrintObj(obj, out); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	return nil
}

func printTable(streams genericiooptions.IOStreams, clusters []v1alpha1.Cluster, wide bool, now time.Time) error {
	if len(clusters) == 0 {
		_, err := fmt.Fprintln(streams.ErrOut, "No cluster has joined. Join one with: kubectl flotilla join NAME --cluster-kubeconfig FILE")
		return err
	}
	table := printers.GetNewTabWriter(streams.Out)
	columns := []string{"NAME", "READY", "REASON", "MODE", "VERSION", "NODES", "AGE"}
	if wide {
		columns = append(columns, "REGION", "PROVIDER", "ENDPOINT", "MESSAGE")
	}
	if _, err := fmt.Fprintln(table, strings.Join(columns, "\t")); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	for i := range clusters {
		if _, err := fmt.Fprintln(table, strings.Join(row(&clusters[i], wide, now), "\t")); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func row(cluster *v1alpha1.Cluster, wide bool, now time.Time) []string {
	ready, reason, message := "Unknown", "", ""
	if c := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		ready, reason, message = string(c.Status), c.Reason, c.Message
	}
	ready += closed(cluster.Spec.Taints)
	nodes := ""
	if n := cluster.Status.NodeSummary; n != nil {
		nodes = fmt.Sprintf("%d/%d", n.ReadyNum, n.TotalNum)
	}
	cells := []string{
		cluster.Name, ready, reason, string(cluster.Spec.SyncMode), cluster.Status.KubernetesVersion, nodes,
		duration.HumanDuration(now.Sub(cluster.CreationTimestamp.Time)),
	}
	if wide {
		cells = append(cells, cluster.Spec.Region, cluster.Spec.Provider, cluster.Spec.APIEndpoint, message)
	}
	for i, cell := range cells {
		if cell == "" {
			cells[i] = "-"
		}
	}
	return cells
}

// closed is what kubectl says in the same place of a node that takes nothing new.
func closed(taints []corev1.Taint) string {
	has := func(key string) bool {
		return slices.ContainsFunc(taints, func(t corev1.Taint) bool { return t.Key == key })
	}
	switch {
	case has(v1alpha1.DrainTaint):
		return ",Draining"
	case has(v1alpha1.UnschedulableTaint):
		return ",SchedulingDisabled"
	}
	return ""
}
