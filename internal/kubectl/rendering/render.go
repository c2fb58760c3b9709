package rendering

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/manifest"
	"github.com/flotilla-dev/flotilla/internal/override"
)

// NewCommand is `kubectl flotilla render`.
func NewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var cluster, output string
	var diff bool
	cmd := &cobra.Command{
		Use:   "render (KIND/NAME | KIND NAME) --cluster CLUSTER",
		Short: "Show what a member gets of a template, and which override changed what",
		Long: `Show the manifest that a member gets of a template: with its replicas, its overrides and Flotilla's marks.

With --diff, show instead which rule of which override policy changed which field. Nothing is written.`,
		Example: `  # What does member1 get?
  kubectl flotilla render deployment/web -n shop --cluster member1

  # Which override changed what?
  kubectl flotilla render deployment/web -n shop --cluster member1 --diff`,
		Args: cobra.RangeArgs(1, 2),
	}
	h := hostcluster.New(cmd)
	// --cluster is kubectl's own flag for a cluster of the kubeconfig; here it is the member.
	cmd.Flags().Lookup("cluster").Usage = "the member to render for"
	cmd.Flags().StringVarP(&output, "output", "o", "yaml", "output format of the manifest: yaml or json")
	cmd.Flags().BoolVar(&diff, "diff", false, "show which rule of which override policy changed which field")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cluster, *h.Flags.ClusterName = *h.Flags.ClusterName, ""
		switch {
		case cluster == "":
			return fmt.Errorf("which member? Name it with --cluster")
		case output != "yaml" && output != "json":
			return fmt.Errorf("unknown output format %q: use yaml or json", output)
		}
		c, err := h.Client()
		if err != nil {
			return err
		}
		template, err := h.Object(args)
		if err != nil {
			return err
		}
		r, err := gather(cmd.Context(), c, template, cluster)
		if err != nil {
			return err
		}
		return r.show(streams, output, diff)
	}
	if err := cmd.RegisterFlagCompletionFunc("cluster", h.CompleteClusters); err != nil {
		panic(err) // the flag exists
	}
	return cmd
}

// rendering is what there is to show.
type rendering struct {
	order   manifest.Order
	invalid []error // what cannot be understood in override policies
	target  bool    // the cluster is a target of the template
}

func gather(ctx context.Context, c client.Reader, template *unstructured.Unstructured, cluster string) (*rendering, error) {
	gvk, r := template.GroupVersionKind(), &rendering{order: manifest.Order{Template: template}}
	clusters, err := hostcluster.Clusters(ctx, c)
	if err != nil {
		return nil, err
	}
	for i := range clusters {
		if clusters[i].Name == cluster {
			r.order.Cluster = &clusters[i]
		}
	}
	if r.order.Cluster == nil {
		return nil, hostcluster.NotJoined(cluster, clusters)
	}
	key := client.ObjectKey{Namespace: template.GetNamespace(), Name: v1alpha1.BindingName(gvk.Group, gvk.Kind, template.GetName())}
	r.order.Binding, err = hostindex.Binding(ctx, c, key)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%s %s is not propagated: no policy selects it, or none has been looked at yet", gvk.Kind, template.GetName())
	}
	if err != nil {
		return nil, fmt.Errorf("reading binding %s: %w", key, err)
	}
	for _, target := range r.order.Binding.BindingSpec().Clusters {
		r.target = r.target || target.Name == cluster
	}
	host := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, host); err != nil {
		return nil, fmt.Errorf("reading the host's namespace %s: %w", metav1.NamespaceSystem, err)
	}
	r.order.HostUID = string(host.UID)
	policies, err := hostindex.Overrides(ctx, c, template.GetNamespace())
	for _, policy := range policies {
		compiled, invalid := override.Compile(policy)
		r.order.Overrides = append(r.order.Overrides, compiled)
		if invalid != nil {
			r.invalid = append(r.invalid, fmt.Errorf("%s: %w", compiled, invalid))
		}
	}
	return r, err
}

// change is a field that a rule changed.
type change struct{ rule, path, before, after string }

// show makes the manifest and prints it, or what was changed on the way to it.
func (r *rendering) show(streams genericiooptions.IOStreams, output string, diff bool) error {
	if _, err := io.WriteString(streams.ErrOut, r.warnings()); err != nil {
		return err
	}
	var changes []change
	r.order.Observe = func(rule override.Applied, before, after *unstructured.Unstructured) {
		changes = append(changes, changesOf(rule, before, after)...)
	}
	made, err := manifest.Make(r.order, interpreter.New())
	if err != nil {
		return err
	}
	if diff {
		return printChanges(streams.Out, changes)
	}
	text, err := json.MarshalIndent(made.Object.Object, "", "  ")
	if err == nil && output == "yaml" {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return fmt.Errorf("preparing the output: %w", err)
	}
	_, err = fmt.Fprintln(streams.Out, string(text))
	return err
}

// warnings are what is worth knowing beside the manifest.
func (r *rendering) warnings() string {
	var text strings.Builder
	for _, invalid := range r.invalid {
		fmt.Fprintf(&text, "Warning: %v\n", invalid)
	}
	if !r.target {
		fmt.Fprintf(&text, "%s is no target of this template: this is what it would get, with all replicas.\n", r.order.Cluster.Name)
	}
	return text.String()
}

// endless is no bound: everything that a rule changed is shown.
const endless = 1 << 20

func changesOf(rule override.Applied, before, after *unstructured.Unstructured) []change {
	name := fmt.Sprintf("%s rule %d", rule.Policy, rule.Rule)
	var changes []change
	for _, d := range applyplan.Differences(after.Object, before.Object, endless) {
		changes = append(changes, change{name, d.Path, text(d.Found), text(d.Wanted)})
	}
	for _, d := range applyplan.Differences(before.Object, after.Object, endless) {
		if d.Found == nil { // what is there in both was seen from the other side
			changes = append(changes, change{name, d.Path, text(d.Wanted), ""})
		}
	}
	return changes
}

// text is a value as JSON; empty for none.
func text(value any) string {
	if value == nil {
		return ""
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}

func printChanges(out io.Writer, changes []change) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(out, "No override changes anything.")
		return err
	}
	var text strings.Builder
	text.WriteString("RULE\tFIELD\tBEFORE\tAFTER\n")
	for _, c := range changes {
		fmt.Fprintf(&text, "%s\t%s\t%s\t%s\n", c.rule, c.path, orDash(c.before), orDash(c.after))
	}
	table := printers.GetNewTabWriter(out)
	if _, err := io.WriteString(table, text.String()); err != nil {
		return err
	}
	return table.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
