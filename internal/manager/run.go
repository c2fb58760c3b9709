package manager

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/internal/journal"
)

// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch

// leaseName is the name of the lease that the managers compete for.
const leaseName = "flotilla-manager"

// Run runs a manager until ctx ends or its lease is lost; in the latter case it returns an error at once, so
// that the process ends and writes nothing more.
func Run(ctx context.Context, host *rest.Config, c configfile.Manager) error {
	hostUID, err := readHostUID(ctx, host)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	memory := journal.New(end)
	o, err := options(host, c, memory)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(host, o)
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := assemble(ctx, mgr, hostUID, c, memory); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the manager: %w", err)
	}
	if err := memory.Err(); err != nil {
		return fmt.Errorf("running the manager: %w", err) // what the caches hold may never have happened
	}
	return nil
}

// Scheme knows every kind that the manager reads or writes as a typed object.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

func options(host *rest.Config, c configfile.Manager, memory *journal.Journal) (ctrl.Options, error) {
	lock, err := lease(host, c.LeaderElection, memory)
	if err != nil {
		return ctrl.Options{}, err
	}
	return ctrl.Options{
		Scheme: Scheme(),
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			// Which taints of a Cluster are Flotilla's own is told by its managedFields.
			ByObject: map[client.Object]cache.ByObject{&v1alpha1.Cluster{}: {Transform: func(object any) (any, error) { return object, nil }}},
		},
		Client: client.Options{Cache: &client.CacheOptions{
			// Credentials are read when they are needed and never kept.
			DisableFor: []client.Object{&corev1.Secret{}},
		}},
		Metrics:                             metrics(c.Metrics),
		HealthProbeBindAddress:              c.Health.BindAddress,
		PprofBindAddress:                    c.Pprof.BindAddress,
		LeaderElection:                      c.LeaderElection.Enabled,
		LeaderElectionID:                    leaseName, // for the metrics, the lock itself has a name
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true, // the process ends right after Start returns
		LeaseDuration:                       &c.LeaderElection.LeaseDuration.Duration,
		RenewDeadline:                       &c.LeaderElection.RenewDeadline.Duration,
		RetryPeriod:                         &c.LeaderElection.RetryPeriod.Duration,
	}, nil
}

// lease is what the managers compete for. The holder is named after the pod, so that people can tell who leads.
func lease(host *rest.Config, l configfile.LeaderElection, memory *journal.Journal) (resourcelock.Interface, error) {
	name := os.Getenv("POD_NAME")
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("finding a name for the lease: %w", err)
		}
	}
	// The suffix tells two lives of one pod apart: a restarted manager must not believe that it still leads.
	return newLock(host, l, name+"_"+string(uuid.NewUUID()), memory)
}

func metrics(m configfile.Metrics) metricsserver.Options {
	o := metricsserver.Options{BindAddress: m.BindAddress, SecureServing: m.Secure, CertDir: m.CertDir}
	if m.Secure {
		o.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return o
}

func leaseNamespace(configured string) string {
	if configured != "" {
		return configured
	}
	if own := os.Getenv("POD_NAMESPACE"); own != "" {
		return own
	}
	return v1alpha1.SystemNamespace
}

// readHostUID finds out who the host is: the UID of its kube-system namespace, which lives as long as the
// cluster does.
func readHostUID(ctx context.Context, host *rest.Config) (string, error) {
	c, err := client.New(host, client.Options{Scheme: Scheme()})
	if err != nil {
		return "", fmt.Errorf("making a client of the host: %w", err)
	}
	namespace := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, namespace); err != nil {
		return "", fmt.Errorf("finding out the host's identity: %w", err)
	}
	return string(namespace.UID), nil
}

func addProbes(mgr ctrl.Manager) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the liveness probe: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the readiness probe: %w", err)
	}
	return nil
}
