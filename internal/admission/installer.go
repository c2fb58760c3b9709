package admission

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	config "github.com/flotilla-dev/flotilla/config/admission"
)

// The manager itself passes the policies, because it is granted the verb that they ask for.
// +kubebuilder:rbac:groups=flotilla.dev,resources=templates,verbs=manage

// The names below are those of config/admission. Server-side apply of an object that does not exist
// needs the verb create beside patch; both are granted for these names only. Those of config/rbac/bounds, which bound the manager itself,
// are not among them.
// +kubebuilder:rbac:roleName=flotilla-admission,groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=clusters.flotilla.dev,verbs=get
// +kubebuilder:rbac:roleName=flotilla-admission,groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings;mutatingadmissionpolicies;mutatingadmissionpolicybindings,verbs=create;patch,resourceNames=flotilla-clusters-first;flotilla-deletion-protection;flotilla-policies-namespace;flotilla-resource-templates;flotilla-templates-claims;flotilla-templates-events;flotilla-templates-pods;flotilla-templates-scale;flotilla-templates-services;flotilla-templates-spawn;flotilla-templates-status

// fieldOwner is the field manager of everything that an Installer writes.
const fieldOwner = client.FieldOwner("flotilla-admission")

const (
	// repairInterval is the time from one complete installation to the next. A deleted policy lets
	// templates run on the host for that long at most; ten minutes cost two requests a minute.
	repairInterval = 10 * time.Minute
	// firstRetry is the wait after the first failed attempt; it doubles up to repairInterval.
	firstRetry = time.Second
)

// Options is what an Installer needs.
type Options struct {
	// Clock measures the time between attempts. Default: the real one.
	Clock clock.Clock
}

// Setup adds an Installer to the manager. It runs on the leader only; the Presence of what it installs is for every manager.
func Setup(mgr ctrl.Manager, o Options) (*Presence, error) {
	installer, err := newInstaller(mgr.GetClient(), mgr.GetAPIReader(), o.Clock)
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(installer); err != nil {
		return nil, fmt.Errorf("adding the installer of admission policies: %w", err)
	}
	return installer.presence(), nil
}

// Installer puts Flotilla's admission policies on the host and keeps them there.
type Installer struct {
	client   client.Client
	live     client.Reader
	clock    clock.Clock
	policies []*unstructured.Unstructured
}

var (
	_ manager.Runnable               = &Installer{}
	_ manager.LeaderElectionRunnable = &Installer{}
)

func newInstaller(c client.Client, live client.Reader, timer clock.Clock) (*Installer, error) {
	policies, err := readPolicies(config.Files)
	if err != nil {
		return nil, err
	}
	if timer == nil {
		timer = clock.RealClock{}
	}
	return &Installer{client: c, live: live, clock: timer, policies: policies}, nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: only the leader writes.
func (i *Installer) NeedLeaderElection() bool { return true }

// Start installs the policies, and repairs them until ctx ends. It never fails: a host that refuses them is
// reported in the log and tried again, because propagation works without them.
func (i *Installer) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("admission")
	retry := firstRetry
	for {
		wait := repairInterval
		if err := i.install(ctx); err != nil && ctx.Err() == nil {
			logger.Error(err, "Cannot install the admission policies: templates may run on the host", "retryAfter", retry.String())
			wait, retry = retry, min(2*retry, repairInterval)
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-i.clock.After(wait):
		}
	}
}

// install applies every policy that the host serves the kind of. One that is refused does not keep the
// others away.
func (i *Installer) install(ctx context.Context) error {
	var errs []error
	owner, err := i.owner(ctx)
	if err != nil {
		errs = append(errs, err)
	}
	for _, policy := range i.policies {
		policy = policy.DeepCopy()
		policy.SetOwnerReferences(owner)
		err := i.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(policy), fieldOwner, client.ForceOwnership)
		if err != nil && !(isConvenience(policy) && meta.IsNoMatchError(err)) {
			errs = append(errs, fmt.Errorf("applying %s %s: %w", policy.GetKind(), policy.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

// owner makes the policies go with the CRD of Clusters: when Flotilla is uninstalled the host's garbage collector removes them, and
// no sooner. It is empty on a host without that CRD.
func (i *Installer) owner(ctx context.Context) ([]metav1.OwnerReference, error) {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	err := i.live.Get(ctx, client.ObjectKey{Name: "clusters." + v1alpha1.GroupVersion.Group}, crd)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the admission policies belong to: %w", err)
	}
	return []metav1.OwnerReference{{APIVersion: crd.APIVersion, Kind: crd.Kind, Name: crd.Name, UID: crd.UID}}, nil
}

// isConvenience reports whether a host that does not serve the kind of the policy may do without it: the
// mutating policies only write for the user what the validating ones ask for.
func isConvenience(policy *unstructured.Unstructured) bool {
	return strings.HasPrefix(policy.GetKind(), "MutatingAdmissionPolicy")
}
