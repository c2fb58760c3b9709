package placing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// simulateFlags are what the user asks for.
type simulateFlags struct {
	files       []string
	clusterFile string
	without     []string
	capacity    string
	output      string
}

// NewSimulateCommand is `kubectl flotilla simulate`.
func NewSimulateCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate [-f FILE...] [--without CLUSTER...] [--cluster-file FILE]",
		Short: "Say where templates would go, and what that changes, without doing it",
		Long: `Say where templates would go, and what that changes, without doing it. The scheduler's own rules are asked; nothing is
written.

The files hold policies, which take the place of their namesakes on the host, and templates. Without a template in them,
all live templates that the policies select, or govern today, are calculated. Without any file, every live binding is:
with --without that shows what the loss of a cluster would do.

--cluster-file gives Clusters that take the place of the live ones, such as the output of kubectl get clusters.flotilla.dev
-o yaml, edited. When the templates are in files too, no host is needed. Clusters in a file that do not say which APIs
they serve are taken to serve all, and those without a resourceSummary to have endless room.

Templates are calculated one after the other, by priority and name: the room that one takes is not there for the next.
Fields are checked for typing errors, but not validated as the host does: use kubectl apply --dry-run=server for that.`,
		Example: `  # What would this edited policy change?
  kubectl flotilla simulate -f policy.yaml

  # Where would a new application go?
  kubectl flotilla simulate -f policy.yaml -f deployment.yaml

  # What would happen without a cluster?
  kubectl flotilla simulate --without member1

  # Without a host, for a program
  kustomize build . | kubectl flotilla simulate -f - --cluster-file clusters.yaml -o json`,
		Args: cobra.NoArgs,
	}
	h := hostcluster.New(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "file with policies and templates; - is stdin; may be given several times")
	flags.StringVar(&f.clusterFile, "cluster-file", "", "file with the Clusters that take the place of the live ones")
	flags.StringSliceVar(&f.without, "without", nil, "clusters that are to be taken away")
	flags.StringVar(&f.capacity, "capacity", "", capacityUsage)
	flags.StringVarP(&f.output, "output", "o", "table", "output format: "+outputs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := f.run(cmd.Context(), h, streams.In, clock.RealClock{}.Now())
		if err != nil {
			return err
		}
		return printAs(streams.Out, f.output, s, func(out io.Writer) error { return printSimulation(out, s) })
	}
	return cmd
}

// check refuses flags that make no sense together, before anything is read.
func (f *simulateFlags) check() error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if _, err := parseCapacity(f.capacity); err != nil {
		return err
	}
	if len(f.files) == 0 && len(f.without) == 0 && f.clusterFile == "" {
		return errors.New("nothing to simulate: give a policy with -f, take clusters away with --without, or give others with --cluster-file")
	}
	if slices.Contains(f.files, "-") && f.clusterFile == "-" {
		return errors.New("-f and --cluster-file cannot both read stdin")
	}
	return nil
}

// liveHost makes the client of the host when it is first needed.
type liveHost interface {
	Client() (client.Client, error)
	Namespace() (string, error)
}

// run reads files and host, and calculates.
func (f *simulateFlags) run(ctx context.Context, h liveHost, stdin io.Reader, now time.Time) (*Simulation, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	documents, err := readDocuments(f.files, stdin)
	if err != nil {
		return nil, err
	}
	g := simulationGatherer{flags: f, namespaced: func(gvk schema.GroupVersionKind) bool { return !withoutNamespace[gvk.GroupKind()] }}
	if f.clusterFile == "" || !hasTemplates(documents) {
		c, err := h.Client()
		if err != nil {
			return nil, err
		}
		g.host, g.namespaced = c, scopeOf(c.RESTMapper())
	}
	namespace, err := h.Namespace()
	if err != nil {
		return nil, err
	}
	sorted, err := sortOut(documents, g.namespaced, namespace)
	if err != nil {
		return nil, err
	}
	w := world{now: now, bindingsOnly: len(documents) == 0}
	notes := sorted.ignored
	if err := g.clusters(ctx, &w, stdin); err != nil {
		return nil, err
	}
	if err := g.templates(ctx, &w, sorted); err != nil {
		return nil, err
	}
	if f.clusterFile != "" {
		g.assumeServed(&w)
	}
	rooms, err := g.room(ctx, &w)
	if err != nil {
		return nil, err
	}
	s := simulate(w)
	s.Capacity, s.Notes = rooms, append(notes, g.notes...)
	return &s, nil
}

func hasTemplates(documents []document) bool {
	return slices.ContainsFunc(documents, document.holdsTemplate)
}

// scopeOf asks the host which kinds have namespaces; it is believed to be so of kinds that it does not know.
func scopeOf(mapper meta.RESTMapper) func(schema.GroupVersionKind) bool {
	return func(gvk schema.GroupVersionKind) bool {
		mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			return !withoutNamespace[gvk.GroupKind()]
		}
		return mapping.Scope.Name() == meta.RESTScopeNameNamespace
	}
}

// simulationGatherer reads what a simulation begins with.
type simulationGatherer struct {
	flags      *simulateFlags
	host       client.Reader // nil: no host is needed
	namespaced func(schema.GroupVersionKind) bool
	notes      []string
}

// clusters reads the fleet, and takes away what is to be taken away.
func (g *simulationGatherer) clusters(ctx context.Context, w *world, stdin io.Reader) error {
	var err error
	if g.flags.clusterFile == "" {
		w.fleet.clusters, err = readClusters(ctx, g.host)
	} else {
		var documents []document
		if documents, err = readDocuments([]string{g.flags.clusterFile}, stdin); err == nil {
			w.fleet.clusters, err = clustersOf(documents)
		}
	}
	if err != nil {
		return err
	}
	for _, name := range g.flags.without {
		i := slices.IndexFunc(w.fleet.clusters, func(c *v1alpha1.Cluster) bool { return c.Name == name })
		if i < 0 {
			known := make([]v1alpha1.Cluster, len(w.fleet.clusters))
			for i, c := range w.fleet.clusters {
				known[i].Name = c.Name
			}
			return fmt.Errorf("--without: %w", hostcluster.NotJoined(name, known))
		}
		w.fleet.clusters = slices.Delete(w.fleet.clusters, i, i+1)
	}
	return nil
}

// assumeServed lets clusters of a file that say nothing of their APIs serve everything that is calculated.
func (g *simulationGatherer) assumeServed(w *world) {
	var assumed []string
	for _, cluster := range w.fleet.clusters {
		if len(cluster.Status.APIEnablements) == 0 {
			assumed = append(assumed, cluster.Name)
			cluster.Status.APIEnablements = everything(w)
		}
	}
	if len(assumed) > 0 {
		g.notes = append(g.notes, "Taken to serve every kind, since their file does not say: "+listUp(assumed)+".")
	}
}

// everything is what a cluster serves that serves all kinds of a simulation.
func everything(w *world) []v1alpha1.APIEnablement {
	kinds := map[string][]v1alpha1.APIResource{}
	add := func(apiVersion, kind string) {
		kinds[apiVersion] = append(kinds[apiVersion], v1alpha1.APIResource{Name: strings.ToLower(kind), Kind: kind})
	}
	for _, t := range w.templates {
		add(t.GetAPIVersion(), t.GetKind())
	}
	for _, b := range w.bindings {
		add(b.BindingSpec().Resource.APIVersion, b.BindingSpec().Resource.Kind)
	}
	enablements := make([]v1alpha1.APIEnablement, 0, len(kinds))
	for apiVersion, resources := range kinds {
		enablements = append(enablements, v1alpha1.APIEnablement{GroupVersion: apiVersion, Resources: resources})
	}
	return enablements
}

// templates reads what is to be calculated: the templates of the files, or the live ones that the files' policies select.
func (g *simulationGatherer) templates(ctx context.Context, w *world, s sorted) error {
	w.policies, w.templates = s.policies, s.templates
	for _, policy := range s.policies {
		w.fileNames = append(w.fileNames, policymatch.Reference(policy))
	}
	if g.host == nil {
		return nil
	}
	live, err := readPolicies(ctx, g.host, "", true)
	if err != nil {
		return err
	}
	w.policies = replacePolicies(live, s.policies)
	if w.bindings, err = readBindings(ctx, g.host, "", true); err != nil {
		return err
	}
	if w.bindingsOnly || len(s.templates) > 0 {
		return nil
	}
	w.templates, err = g.selected(ctx, s.policies, w.bindings)
	return err
}

// selected are the live templates that policies select, and those that they govern today.
func (g *simulationGatherer) selected(ctx context.Context, policies []v1alpha1.Policy, bindings []v1alpha1.Binding) ([]*unstructured.Unstructured, error) {
	var templates []*unstructured.Unstructured
	for _, gvk := range kindsOf(policies, bindings) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		err := g.host.List(ctx, list)
		if meta.IsNoMatchError(err) {
			g.notes = append(g.notes, fmt.Sprintf("The host does not know %s %s, which a policy selects.", gvk.GroupVersion(), gvk.Kind))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing the templates of the kind %s: %w", gvk.Kind, err)
		}
		for i := range list.Items {
			if concerns(policies, &list.Items[i], bindings) {
				templates = append(templates, &list.Items[i])
			}
		}
	}
	return templates, nil
}

// concerns says whether any of the policies selects a template, or governs it today.
func concerns(policies []v1alpha1.Policy, template *unstructured.Unstructured, bindings []v1alpha1.Binding) bool {
	current := currentPolicy(bindingOf(referenceTo(template), bindings))
	return slices.ContainsFunc(policies, func(policy v1alpha1.Policy) bool {
		return current != nil && policymatch.RefersTo(current, policy) || policymatch.Match(seenBy(template), policy) != policymatch.NoMatch
	})
}

// kindsOf are the kinds that policies select or govern today, each once.
func kindsOf(policies []v1alpha1.Policy, bindings []v1alpha1.Binding) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	add := func(gvk schema.GroupVersionKind) {
		if policymatch.KindAllowed(gvk.GroupKind()) && !slices.Contains(kinds, gvk) {
			kinds = append(kinds, gvk)
		}
	}
	for _, policy := range policies {
		for _, selector := range policy.PropagationSpec().ResourceSelectors {
			add(schema.FromAPIVersionAndKind(selector.APIVersion, selector.Kind))
		}
		for _, b := range bindings {
			if ref := b.BindingSpec().Policy; ref != nil && policymatch.RefersTo(ref, policy) {
				add(b.BindingSpec().Resource.GroupVersionKind())
			}
		}
	}
	return kinds
}

// room looks at the clusters when any placement asks for their room.
func (g *simulationGatherer) room(ctx context.Context, w *world) ([]ClusterRoom, error) {
	source, err := parseCapacity(g.flags.capacity)
	if err != nil {
		return nil, err
	}
	candidates, _ := prepare(*w)
	if !slices.ContainsFunc(candidates, func(c candidate) bool { return schedule.UsesRoom(c.spec) }) {
		return nil, nil
	}
	reader := roomReader{source: source, visit: memberprobe.Table}
	if g.flags.clusterFile == "" {
		reader.host = g.host
	}
	var rooms []ClusterRoom
	w.fleet.tables, rooms = reader.read(ctx, w.fleet.clusters)
	return rooms, nil
}
