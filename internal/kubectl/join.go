package kubectl

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
)

// waitTimeout is how long join and unjoin watch the manager's work unless told otherwise.
const waitTimeout = 2 * time.Minute

// joinFlags are what a user says about the cluster that joins.
type joinFlags struct {
	kubeconfig  string
	context     string
	endpoint    string
	permissions string
	provider    string
	region      string
	zones       []string
	labels      string
	replaces    string
	dryRun      bool
	wait        bool
	timeout     time.Duration
}

func newJoinCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var f joinFlags
	cmd := &cobra.Command{
		Use:   "join NAME (--cluster-kubeconfig FILE | --cluster-context CONTEXT)",
		Short: "Let a cluster join as a member",
		Long: `Let a cluster join as a member that the manager connects to (Push).

In the member it creates the namespace flotilla-system with a ServiceAccount and the rights that Flotilla
needs, on the host the namespace flotilla-es-NAME with a short-lived token that the manager renews, and the
Cluster NAME. When a step fails, what was created is taken back. Joining a member again under its name renews
its rights and its token.`,
		Example: `  # A member with a kubeconfig of its own
  kubectl flotilla join berlin --cluster-kubeconfig berlin.kubeconfig

  # A member that is a context of the current kubeconfig, with the right to hold every kind of object
  kubectl flotilla join paris --cluster-context paris --permissions cluster-admin --region eu-west

  # A member of a host that is lost for good, whose place this one takes
  kubectl flotilla join rome --cluster-context rome --replace-host 0d9a5b6e-8f0e-4a2c-9c55-3b7a2f61c1d4`,
		Args: cobra.ExactArgs(1),
	}
	h := hostcluster.New(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.kubeconfig, "cluster-kubeconfig", "", "kubeconfig of the cluster that joins (default: the same as the host's)")
	flags.StringVar(&f.context, "cluster-context", "", "context of the cluster that joins (default: the current one of --cluster-kubeconfig)")
	flags.StringVar(&f.endpoint, "cluster-endpoint", "", "URL at which the manager reaches the member's API server (default: the kubeconfig's server)")
	flags.StringVar(&f.permissions, "permissions", string(memberaccess.Workloads), "rights of Flotilla in the member: workloads or cluster-admin")
	flags.StringVar(&f.provider, "provider", "", "provider of the member, for affinities")
	flags.StringVar(&f.region, "region", "", "region of the member, for affinities")
	flags.StringSliceVar(&f.zones, "zones", nil, "zones of the member, for affinities")
	flags.StringVar(&f.labels, "labels", "", "labels of the Cluster, as key=value,key=value")
	flags.StringVar(&f.replaces, "replace-host", "", "UID of a host that is lost for good, whose account in the member this host's takes the place of")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check everything and say what would be created, without creating it")
	flags.BoolVar(&f.wait, "wait", true, "wait until the member is Ready")
	flags.DurationVar(&f.timeout, "timeout", waitTimeout, "how long to wait")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.run(cmd.Context(), h, streams, args[0])
	}
	return cmd
}

func (f *joinFlags) run(ctx context.Context, h hostcluster.Host, streams genericiooptions.IOStreams, name string) error {
	request, err := f.request(h, name)
	if err != nil {
		return err
	}
	hostClient, err := h.Client()
	if err != nil {
		return err
	}
	memberClient, err := hostcluster.NewClient(request.member)
	if err != nil {
		return err
	}
	j := &joining{request: request, host: hostClient, member: memberClient, probe: probe, out: streams.Out}
	if err := j.check(ctx); err != nil {
		return err
	}
	if f.dryRun {
		j.describe()
		return nil
	}
	if err := j.join(ctx); err != nil {
		return err
	}
	if !f.wait {
		return nil
	}
	return waitReady(ctx, hostClient, name, f.timeout, streams.Out)
}

// request reads what the user asks for.
func (f *joinFlags) request(h hostcluster.Host, name string) (joinRequest, error) {
	r := joinRequest{name: name, replaces: f.replaces, spec: v1alpha1.ClusterSpec{
		SyncMode: v1alpha1.Push, Provider: f.provider, Region: f.region, Zones: f.zones,
		SecretRef: &v1alpha1.CredentialsReference{Name: v1alpha1.CredentialsSecretName},
	}}
	if err := validateName(name); err != nil {
		return r, err
	}
	var err error
	if r.permissions, err = memberaccess.ParsePermissions(f.permissions); err != nil {
		return r, err
	}
	if r.labels, err = labels.ConvertSelectorToLabelsMap(f.labels); err != nil {
		return r, fmt.Errorf("reading --labels: %w", err)
	}
	if f.kubeconfig == "" && f.context == "" {
		return r, fmt.Errorf("say which cluster joins, with --cluster-kubeconfig or --cluster-context")
	}
	loader := f.memberLoader(h)
	if r.member, err = loader.ClientConfig(); err != nil {
		return r, fmt.Errorf("reading the kubeconfig of the cluster to join: %w", err)
	}
	return r, r.describeEndpoint(loader, f)
}

// memberLoader loads the kubeconfig of the cluster that joins as kubectl would.
func (f *joinFlags) memberLoader(h hostcluster.Host) clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	switch {
	case f.kubeconfig != "":
		rules.ExplicitPath = f.kubeconfig
	case h.Flags.KubeConfig != nil:
		rules.ExplicitPath = *h.Flags.KubeConfig
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context})
}

// describeEndpoint puts into the spec how the manager is to reach what the kubeconfig reaches.
func (r *joinRequest) describeEndpoint(loader clientcmd.ClientConfig, f *joinFlags) error {
	if err := rest.LoadTLSFiles(r.member); err != nil {
		return fmt.Errorf("reading the certificates of the cluster to join: %w", err)
	}
	raw, err := loader.RawConfig()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig of the cluster to join: %w", err)
	}
	current := raw.CurrentContext
	if f.context != "" {
		current = f.context
	}
	if c, ok := raw.Contexts[current]; ok && raw.Clusters[c.Cluster] != nil {
		r.spec.ProxyURL = raw.Clusters[c.Cluster].ProxyURL
	}
	r.spec.APIEndpoint = r.member.Host
	if f.endpoint != "" {
		r.spec.APIEndpoint = f.endpoint
	}
	r.spec.InsecureSkipTLSVerification = r.member.TLSClientConfig.Insecure
	r.caBundle = r.member.TLSClientConfig.CAData
	if r.member.TLSClientConfig.ServerName != "" {
		return fmt.Errorf("the kubeconfig of the cluster to join uses tls-server-name, which a token cannot carry along: " +
			"apply a Cluster and a Secret with a kubeconfig instead (docs/clusters.md)")
	}
	return nil
}

// joinRequest is what a user asks for, understood.
type joinRequest struct {
	name        string
	labels      map[string]string
	spec        v1alpha1.ClusterSpec
	permissions memberaccess.Permissions
	// replaces is the UID of the host whose account in the member is replaced; empty for none.
	replaces string
	member   *rest.Config
	caBundle []byte
}

// cluster is the Cluster that is asked for, of the member with this id.
func (r joinRequest) cluster(id string) *v1alpha1.Cluster {
	spec := *r.spec.DeepCopy()
	spec.ID = id
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: r.name, Labels: r.labels}, Spec: spec}
}
