package placing

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/schedule"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// NewExplainCommand is `kubectl flotilla explain`.
func NewExplainCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var output, source string
	cmd := &cobra.Command{
		Use:   "explain (KIND/NAME | KIND NAME | BINDING)",
		Short: "Say why a template runs where it does, and why not elsewhere",
		Long: `Say why a template runs where it does, and why not elsewhere: which policy governs it, what was decided last, and
for every cluster by which rule it was chosen or turned away, how much room it has, how many replicas it gets, and what
would have to change. The last line answers in one sentence.

The scheduler's own rules are asked again, with what the host and the members say now. Nothing is written. Where the
placement looks at room, each member's nodes and pods are read once with the credentials that the host keeps, when you
may read those, and its summary in the Cluster otherwise; the output says which.`,
		Example: `  # Why is it not running where I want?
  kubectl flotilla explain deployment/web -n shop

  # By the short name of a kind, by its group, or by the name of the binding
  kubectl flotilla explain deploy web -n shop
  kubectl flotilla explain deployment.apps/web -n shop
  kubectl flotilla explain web-deployment-1f3a5c79 -n shop

  # The same for a program
  kubectl flotilla explain deployment/web -n shop -o json`,
		Args: cobra.RangeArgs(1, 2),
	}
	h := hostcluster.New(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "output format: "+outputs)
	cmd.Flags().StringVar(&source, "capacity", "", capacityUsage)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		capacitySource, err := parseCapacity(source)
		if err != nil {
			return err
		}
		c, err := h.Client()
		if err != nil {
			return err
		}
		template, binding, err := find(cmd.Context(), h, c, args)
		if err != nil {
			return err
		}
		g := gatherer{host: c, rooms: roomReader{host: c, source: capacitySource, visit: memberprobe.Table}, now: clock.RealClock{}.Now()}
		f, err := g.gather(cmd.Context(), template, binding)
		if err != nil {
			return err
		}
		e := explainFacts(f)
		return printAs(streams.Out, output, e, func(out io.Writer) error { return printExplanation(out, &e, f.now) })
	}
	return cmd
}

// capacityUsage describes the flag --capacity.
const capacityUsage = "where the room in clusters is read: nodes, summary or none; default: what each Cluster says, or else nodes where you may read the members' credentials"

// find finds what the arguments name: a template, or a binding. One of both is nil.
func find(ctx context.Context, h hostcluster.Host, c client.Reader, args []string) (*unstructured.Unstructured, v1alpha1.Binding, error) {
	namespace, err := h.Namespace()
	if err != nil {
		return nil, nil, err
	}
	if len(args) == 1 && !strings.Contains(args[0], "/") {
		binding, err := findBinding(ctx, c, namespace, args[0])
		return nil, binding, err
	}
	obj, err := h.Object(args)
	if err != nil {
		return nil, nil, err
	}
	if obj.GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
		return obj, nil, nil
	}
	switch obj.GetKind() {
	case "ResourceBinding", "ClusterResourceBinding":
		binding, err := findBinding(ctx, c, obj.GetNamespace(), obj.GetName())
		return nil, binding, err
	}
	return nil, nil, fmt.Errorf("a %s is no template: name a template, such as deployment/web, or its binding", obj.GetKind())
}

// findBinding finds a binding in a namespace, or else that of a cluster-scoped template.
func findBinding(ctx context.Context, c client.Reader, namespace, name string) (v1alpha1.Binding, error) {
	binding, err := hostindex.Binding(ctx, c, client.ObjectKey{Namespace: namespace, Name: name})
	if apierrors.IsNotFound(err) && namespace != "" {
		if global, globalErr := hostindex.Binding(ctx, c, client.ObjectKey{Name: name}); globalErr == nil {
			return global, nil
		}
	}
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("no binding is named %q in the namespace %s: name a template as KIND/NAME, or a binding by its name", name, namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the binding %s: %w", name, err)
	}
	return binding, nil
}

// gatherer reads what an explanation is made of.
type gatherer struct {
	host  client.Reader
	rooms roomReader
	now   time.Time
}

// gather reads what there is to say of a template, or of a binding's template.
func (g gatherer) gather(ctx context.Context, template *unstructured.Unstructured, binding v1alpha1.Binding) (facts, error) {
	f := facts{template: template, binding: binding, now: g.now}
	var err error
	if binding != nil {
		f.reference = binding.BindingSpec().Resource
		f.template, err = g.template(ctx, f.reference)
	} else {
		f.reference = referenceTo(template)
	}
	if err != nil {
		return f, err
	}
	if f.fleet.clusters, err = readClusters(ctx, g.host); err != nil {
		return f, err
	}
	if f.policies, err = readPolicies(ctx, g.host, f.reference.Namespace, false); err != nil {
		return f, err
	}
	if f.bindings, err = readBindings(ctx, g.host, f.reference.Namespace, false); err != nil {
		return f, err
	}
	if f.binding == nil {
		f.binding = bindingOf(f.reference, f.bindings)
	}
	f.subject = toDecide(&f)
	if f.subject != nil && schedule.UsesRoom(f.subject.spec) {
		f.fleet.tables, f.rooms = g.rooms.read(ctx, f.fleet.clusters)
	}
	return f, nil
}

// toDecide is what the rules are asked about: the binding, or the one that propagation would make. It is nil when there
// is nothing to decide.
func toDecide(f *facts) *subject {
	if f.binding != nil {
		if f.binding.BindingSpec().Placement == nil {
			return nil
		}
		return subjectOf(f.binding)
	}
	if proposed := propose(f.template, f.policies, nil); proposed.spec.Policy != nil {
		return proposed
	}
	return nil
}

// template reads a binding's template; nil when it is gone.
func (g gatherer) template(ctx context.Context, ref v1alpha1.ObjectReference) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	holder := ref.Holder()
	obj.SetGroupVersionKind(holder.GroupVersionKind())
	err := g.host.Get(ctx, holder.Key(), obj)
	switch {
	case err == nil:
		return templates.Of(obj), nil
	case apierrors.IsNotFound(err):
		return nil, nil
	}
	return nil, fmt.Errorf("reading the template %s: %w", templateText(ref), err)
}
