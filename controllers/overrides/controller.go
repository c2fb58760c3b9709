package overrides

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/override"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=overridepolicies;clusteroverridepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=overridepolicies/status;clusteroverridepolicies/status,verbs=patch

const (
	// gather is how long bindings and reports that change together are waited for: one write of the status for all.
	gather = time.Second
	// recount is how often a policy is looked at although nothing told of a change: labels of templates, which no other
	// event tells of, change what policies are for.
	recount = time.Minute
)

// Templates reads templates; *objectcache.Cache is one.
type Templates interface {
	Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error)
}

// Options are what the package needs of others.
type Options struct {
	// Board has what members report.
	Board *report.Board
	// Templates reads templates.
	Templates Templates
	// Clock is the time of transitions; the real one when nil.
	Clock clock.PassiveClock
}

// keeper writes the status of policies of both twins. A request without a namespace means a ClusterOverridePolicy.
type keeper struct {
	Options
	client client.Client
	events events.EventRecorder
	// turned hands the policies of a namespace to the queue; nil until the controller starts.
	turned atomic.Pointer[func(namespace string)]
}

// Setup adds the package's controller to a manager.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	k := &keeper{Options: o, client: mgr.GetClient(), events: mgr.GetEventRecorder("flotilla-overrides")}
	o.Board.OnChange(k.onReport)
	specChanges := builder.WithPredicates(specchange.Predicate())
	return ctrl.NewControllerManagedBy(mgr).
		Named("overrides").
		Watches(&v1alpha1.OverridePolicy{}, &handler.EnqueueRequestForObject{}, specChanges).
		Watches(&v1alpha1.ClusterOverridePolicy{}, &handler.EnqueueRequestForObject{}, specChanges).
		Watches(&v1alpha1.ResourceBinding{}, k.onBinding()).
		Watches(&v1alpha1.ClusterResourceBinding{}, k.onBinding()).
		WatchesRawSource(source.Func(func(ctx context.Context, q workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
			turned := func(namespace string) { k.recount(ctx, namespace, q) }
			k.turned.Store(&turned)
			return nil
		})).
		Complete(k)
}

// Reconcile writes what is new about one policy.
func (k *keeper) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	policy := newPolicy(req.Namespace)
	if err := k.client.Get(ctx, req.NamespacedName, policy); err != nil {
		if apierrors.IsNotFound(err) {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading override policy %s: %w", req.NamespacedName, err)
	}
	if policy.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, nil
	}
	f, err := k.gather(ctx, policy)
	if err != nil {
		return ctrl.Result{}, err
	}
	before, want := *policy.OverrideStatus(), desiredStatus(f)
	again := ctrl.Result{RequeueAfter: recount}
	if equality.Semantic.DeepEqual(before, want) {
		return again, nil
	}
	err = objectpatch.ApplyStatus(ctx, k.client, policy, objectpatch.OverridesOwner, &want)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return ctrl.Result{}, nil // deleted, or replaced by a namesake that has its own request
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	for _, now := range want.Conditions {
		if conditions.TurnedBad(before.Conditions, now) {
			k.events.Eventf(policy, nil, corev1.EventTypeWarning, now.Reason, "Override", "%s", conditions.Shorten(now.Message, conditions.MaxNote))
		}
	}
	return again, nil
}

func newPolicy(namespace string) v1alpha1.Override {
	if namespace == "" {
		return &v1alpha1.ClusterOverridePolicy{}
	}
	return &v1alpha1.OverridePolicy{}
}

func (k *keeper) gather(ctx context.Context, policy v1alpha1.Override) (facts, error) {
	f := facts{policy: policy, now: k.Clock.Now()}
	compiled, err := override.Compile(policy)
	f.invalid = err
	bindings, err := hostindex.BindingsOf(ctx, k.client, policy.GetNamespace())
	if err != nil {
		return f, err
	}
	for _, binding := range bindings {
		resource := binding.BindingSpec().Resource
		template, found, err := k.Templates.Get(resource.GroupVersionKind(), resource.Key())
		object, ok := template.(metav1.Object)
		if err != nil || !found || !ok || compiled.Match(policymatch.Of(resource.GroupVersionKind(), object)) == policymatch.NoMatch {
			continue // a template that cannot be read now is counted the next time
		}
		f.matched++
		f.failures = append(f.failures, k.failures(binding, compiled)...)
	}
	return f, nil
}

// failures are what members say against a policy.
func (k *keeper) failures(binding v1alpha1.Binding, policy *override.Policy) []v1alpha1.OverrideFailure {
	var failures []v1alpha1.OverrideFailure
	resource, name := binding.BindingSpec().Resource, policy.String()
	for cluster, said := range k.Board.Reports(client.ObjectKeyFromObject(binding)) {
		if said.Override == name {
			failures = append(failures, v1alpha1.OverrideFailure{
				Kind: resource.Kind, Namespace: resource.Namespace, Name: resource.Name, Cluster: cluster,
				Message: conditions.Shorten(strings.TrimPrefix(said.Message, name+": "), maxMessage),
			})
		}
	}
	return failures
}

// onBinding counts again, some time later, when templates come and go.
func (k *keeper) onBinding() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
			if !e.IsInInitialList {
				k.recount(ctx, e.Object.GetNamespace(), q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
			k.recount(ctx, e.Object.GetNamespace(), q)
		},
	}
}

// onReport looks again when an override fails somewhere, or ceases to.
func (k *keeper) onReport(binding types.NamespacedName) {
	if turned := k.turned.Load(); turned != nil && k.Board.OverrideTurned(binding) {
		(*turned)(binding.Namespace)
	}
}

func (k *keeper) recount(ctx context.Context, namespace string, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	policies, err := hostindex.Overrides(ctx, k.client, namespace)
	if err != nil {
		return // the cache is closing
	}
	for _, policy := range policies {
		q.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(policy)}, gather)
	}
}
