package hostcluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// Scheme knows Flotilla's kinds and the built-in ones.
var Scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}()

// ErrNotInstalled says how to install Flotilla.
var ErrNotInstalled = errors.New("the host cluster does not know Flotilla: install it with\n" +
	"  kubectl apply --server-side -k config/default\n" +
	"or choose the host cluster with --kubeconfig or --context")

// Host reaches the host cluster as kubectl does.
type Host struct {
	// Flags are kubectl's own: --kubeconfig, --context, --namespace and so on.
	Flags *genericclioptions.ConfigFlags
}

// New adds kubectl's flags to a command, and reaches the host that they name.
func New(cmd *cobra.Command) Host {
	flags := genericclioptions.NewConfigFlags(true)
	flags.AddFlags(cmd.Flags())
	return Host{Flags: flags}
}

// Client makes a client of the host. It does not dial.
func (h Host) Client() (client.Client, error) {
	config, err := h.Flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the host cluster: %w", err)
	}
	return NewClient(config)
}

// Namespace is the one that --namespace, or else the kubeconfig's context says.
func (h Host) Namespace() (string, error) {
	namespace, _, err := h.Flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig of the host cluster: %w", err)
	}
	return namespace, nil
}

// Object reads the one template that arguments name as kubectl's do: KIND/NAME, or KIND NAME. Of a wrapper, what it wraps is the
// template.
func (h Host) Object(args []string) (*unstructured.Unstructured, error) {
	namespace, err := h.Namespace()
	if err != nil {
		return nil, err
	}
	infos, err := resource.NewBuilder(h.Flags).Unstructured().NamespaceParam(namespace).DefaultNamespace().
		ResourceTypeOrNameArgs(false, args...).Flatten().Do().Infos()
	if err != nil {
		return nil, err // the builder's errors are kubectl's own
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("%d objects are named: name one at a time", len(infos))
	}
	obj, ok := infos[0].Object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("the host answered with a %T", infos[0].Object)
	}
	return templates.Of(obj), nil
}

// NewClient makes a client that reads live and is not throttled on this side.
func NewClient(config *rest.Config) (client.Client, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := client.New(config, client.Options{Scheme: Scheme})
	if err != nil {
		return nil, fmt.Errorf("preparing a client of %s: %w", config.Host, err)
	}
	return c, nil
}

// Clusters lists the members; its error says how to install Flotilla when the host does not know them.
func Clusters(ctx context.Context, c client.Reader) ([]v1alpha1.Cluster, error) {
	var list v1alpha1.ClusterList
	err := c.List(ctx, &list)
	switch {
	case err == nil:
		return list.Items, nil
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
		return nil, ErrNotInstalled
	}
	return nil, fmt.Errorf("listing the clusters that have joined: %w", err)
}

// CompleteClusters completes the names of members at the shell.
func (h Host) CompleteClusters(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := h.Client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	clusters, err := Clusters(cmd.Context(), c)
	if err != nil || len(args) > 0 && cmd.Name() == "unjoin" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return Names(clusters), cobra.ShellCompDirectiveNoFileComp
}

// Names are the names of clusters.
func Names(clusters []v1alpha1.Cluster) []string {
	names := make([]string, 0, len(clusters))
	for i := range clusters {
		names = append(names, clusters[i].Name)
	}
	return names
}

// NotJoined is the error about a cluster that is none of those that have joined.
func NotJoined(name string, clusters []v1alpha1.Cluster) error {
	if len(clusters) == 0 {
		return fmt.Errorf("no cluster has joined as %q, nor has any other", name)
	}
	return fmt.Errorf("no cluster has joined as %q; these have: %s", name, strings.Join(Names(clusters), ", "))
}
