package manager

import (
	"flag"
	"fmt"
	"maps"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/internal/features"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// flags are the settings that people change on the command line; each wins over the file.
type flags struct {
	config      string
	kubeconfig  string
	metrics     string
	health      string
	pprof       string
	leaderElect bool
	policies    bool
	gates       map[string]bool
	zap         zap.Options
}

// NewCommand is `flotilla manager`.
func NewCommand() *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "manager",
		Short: "Run the manager on the host cluster",
		Long: "Run the manager: it binds templates to policies, schedules them over the member clusters, applies them there\n" +
			"and brings their status back. Several managers may run; one of them is active.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: false,
		RunE: func(cmd *cobra.Command, _ []string) error {
			configuration, err := f.configuration(cmd)
			if err != nil {
				return err
			}
			if err := pingSooner(); err != nil {
				return err
			}
			host, err := f.host()
			if err != nil {
				return err
			}
			logger := zap.New(zap.UseFlagOptions(&f.zap))
			ctrl.SetLogger(logger)
			klog.SetLogger(logger) // client-go writes there
			return Run(cmd.Context(), host, configuration)
		},
	}
	f.bind(cmd)
	return cmd
}

func (f *flags) bind(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.config, "config", "", "the configuration file; without it the defaults count")
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "how to reach the host; without it the pod's ServiceAccount, or else $KUBECONFIG")
	set.StringVar(&f.metrics, "metrics-bind-address", "", `where metrics are served, such as ":8443"; "0" for nowhere`)
	set.StringVar(&f.health, "health-probe-bind-address", "", `where /healthz and /readyz are served, such as ":8081"; "0" for nowhere`)
	set.StringVar(&f.pprof, "pprof-bind-address", "", `where profiles are served, such as "127.0.0.1:6060"; "0" for nowhere`)
	set.BoolVar(&f.leaderElect, "leader-elect", true, "be active only while holding the lease")
	set.BoolVar(&f.policies, "install-admission-policies", true, "install and repair the host's admission policies")
	set.Var(cliflag.NewMapStringBool(&f.gates), "feature-gates", "features to turn on or off:\n"+features.Usage())
	zapFlags := flag.NewFlagSet("zap", flag.ContinueOnError)
	f.zap.BindFlags(zapFlags)
	set.AddGoFlagSet(zapFlags)
}

// configuration is the file's, with the flags that were given over it.
func (f *flags) configuration(cmd *cobra.Command) (configfile.Manager, error) {
	c, err := configfile.Load(f.config)
	if err != nil {
		return configfile.Manager{}, err
	}
	if cmd.Flags().Changed("leader-elect") {
		c.LeaderElection.Enabled = f.leaderElect
	}
	if cmd.Flags().Changed("install-admission-policies") {
		c.Admission.Install = f.policies
	}
	if len(f.gates) > 0 && c.FeatureGates == nil {
		c.FeatureGates = map[string]bool{}
	}
	maps.Copy(c.FeatureGates, f.gates)
	if _, err := features.Read(c.FeatureGates); err != nil {
		return configfile.Manager{}, err
	}
	for _, address := range []struct {
		flag  string
		field *string
	}{{f.metrics, &c.Metrics.BindAddress}, {f.health, &c.Health.BindAddress}, {f.pprof, &c.Pprof.BindAddress}} {
		if address.flag != "" {
			*address.field = address.flag
		}
	}
	return c, nil
}

// host is how to reach the host's API server, without a limit on the client's side: priority and fairness in
// the API server does that job.
func (f *flags) host() (*rest.Config, error) {
	config, err := f.load()
	if err != nil {
		return nil, fmt.Errorf("finding the host cluster: %w", err)
	}
	config.QPS = -1
	config.UserAgent = rest.DefaultKubernetesUserAgent()
	config.Wrap(telemetry.CountWrites(telemetry.HostTarget, ""))
	return config, nil
}

func (f *flags) load() (*rest.Config, error) {
	if f.kubeconfig == "" {
		return ctrl.GetConfig()
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: f.kubeconfig}, nil).ClientConfig()
}
