package manager

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/journal"
	"github.com/flotilla-dev/flotilla/internal/rewatch"
)

// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch

// Run runs a manager until ctx ends or its lease is lost; in the latter case it returns an error at once, so
// that the process ends and writes nothing more.
func Run(ctx context.Context, host *rest.Config, c configfile.Manager) error {
	hostUID, err := readHostUID(ctx, host)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var guard *fence.Fence // nil without elections, and then the journal reads nothing
	memory := journal.New(clock.RealClock{}, func() {
		guard.Shut()
		end()
	})
	o := options(c)
	if c.LeaderElection.Enabled {
		if guard, err = elect(&o, host, c.LeaderElection, memory); err != nil {
			return err
		}
		host = guarded(host, guard)
	}
	mgr, err := ctrl.NewManager(host, o)
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := assemble(ctx, mgr, assembly{hostUID: hostUID, configuration: c, memory: memory, guard: guard}); err != nil {
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

func options(c configfile.Manager) ctrl.Options {
	return ctrl.Options{
		Scheme: Scheme(),
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			NewInformer:      informer,
			// Which taints of a Cluster are Flotilla's own is told by its managedFields.
			ByObject: map[client.Object]cache.ByObject{&v1alpha1.Cluster{}: {Transform: func(object any) (any, error) { return object, nil }}},
		},
		Client: client.Options{Cache: &client.CacheOptions{
			// Credentials are read when they are needed and never kept.
			DisableFor: []client.Object{&corev1.Secret{}},
		}},
		Metrics:                metrics(c.Metrics),
		HealthProbeBindAddress: c.Health.BindAddress,
		PprofBindAddress:       c.Pprof.BindAddress,
	}
}

// informer watches a kind on the host, and is soon back when the host was away.
func informer(from toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	return toolscache.NewSharedIndexInformer(rewatch.Soon(from, rewatch.Host()), example, resync, indexers)
}

func metrics(m configfile.Metrics) metricsserver.Options {
	o := metricsserver.Options{BindAddress: m.BindAddress, SecureServing: m.Secure, CertDir: m.CertDir}
	if m.Secure {
		o.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return o
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
