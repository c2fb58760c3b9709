package kubectl

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// scheme knows Flotilla's kinds and the built-in ones.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}()

// errNotInstalled says how to install Flotilla.
var errNotInstalled = errors.New("the host cluster does not know Flotilla: install it with\n" +
	"  kubectl apply --server-side -k config/default\n" +
	"or choose the host cluster with --kubeconfig or --context")

// host reaches the host cluster as kubectl does.
type host struct {
	flags *genericclioptions.ConfigFlags
}

func newHost(cmd *cobra.Command) host {
	flags := genericclioptions.NewConfigFlags(true)
	flags.AddFlags(cmd.Flags())
	return host{flags: flags}
}

func (h host) client() (client.Client, error) {
	config, err := h.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the host cluster: %w", err)
	}
	return newClient(config)
}

// newClient makes a client that reads live and is not throttled on this side.
func newClient(config *rest.Config) (client.Client, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("preparing a client of %s: %w", config.Host, err)
	}
	return c, nil
}

// listClusters lists the members; its error says how to install Flotilla when the host does not know them.
func listClusters(ctx context.Context, c client.Reader) ([]v1alpha1.Cluster, error) {
	var list v1alpha1.ClusterList
	err := c.List(ctx, &list)
	switch {
	case err == nil:
		return list.Items, nil
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
		return nil, errNotInstalled
	}
	return nil, fmt.Errorf("listing the clusters that have joined: %w", err)
}

// completeClusters completes the names of members at the shell.
func (h host) completeClusters(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := h.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	clusters, err := listClusters(cmd.Context(), c)
	if err != nil || len(args) > 0 && cmd.Name() == "unjoin" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return clusterNames(clusters), cobra.ShellCompDirectiveNoFileComp
}

func clusterNames(clusters []v1alpha1.Cluster) []string {
	names := make([]string, 0, len(clusters))
	for i := range clusters {
		names = append(names, clusters[i].Name)
	}
	return names
}
