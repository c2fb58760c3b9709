package propagation

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

const (
	// countDelay gathers bindings that come and go in one burst into one write of the policy's count.
	countDelay = time.Second
	// checkAction is what propagation was doing when an event about a policy happened.
	checkAction = "Check"
)

// policyKeeper writes the status of policies of both twins. A request without a namespace means a
// ClusterPropagationPolicy.
type policyKeeper struct {
	client    client.Client
	templates Templates
	mapper    meta.RESTMapper
	events    events.EventRecorder
	clock     clock.PassiveClock
	// kindNews brings the policies that select a kind to the queue; nil until the controller starts.
	kindNews atomic.Pointer[func(schema.GroupVersionKind)]
}

// Reconcile writes what is new about one policy.
func (k *policyKeeper) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	policy := v1alpha1.NewPolicy(req.Namespace)
	if err := k.client.Get(ctx, req.NamespacedName, policy); err != nil {
		if apierrors.IsNotFound(err) {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading policy %s: %w", req.NamespacedName, err)
	}
	if policy.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, nil
	}
	bindings, err := hostindex.Bindings(ctx, k.client, hostindex.ByPolicy, hostindex.PolicyValue(req.Namespace, req.Name))
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("counting the bindings of policy %s: %w", req.NamespacedName, err)
	}
	before := *policy.PropagationStatus()
	classes, err := classesOf(ctx, k.client, []v1alpha1.Policy{policy})
	if err != nil {
		return ctrl.Result{}, err
	}
	overrides, err := overridesOf(ctx, k.client, policy)
	if err != nil {
		return ctrl.Result{}, err
	}
	around := surroundings{kinds: k.kinds(ctx, policy), classes: classes, bindings: len(bindings), overrides: overrides}
	want := desiredStatus(policy, around, k.clock.Now())
	if equality.Semantic.DeepEqual(before, want) || stillStarting(before, want) {
		return ctrl.Result{}, nil
	}
	err = objectpatch.ApplyStatus(ctx, k.client, policy, objectpatch.PropagationOwner, &want)
	if err != nil {
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return ctrl.Result{}, nil // deleted, or replaced by a namesake that has its own request
		}
		return ctrl.Result{}, err
	}
	k.tellTurns(policy, before.Conditions, want.Conditions)
	return ctrl.Result{}, nil
}

// self is the request for a policy.
func self(_ context.Context, policy v1alpha1.Policy) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: client.ObjectKeyFromObject(policy)}}
}

// kinds gathers what is known about the kinds that a policy selects.
func (k *policyKeeper) kinds(_ context.Context, policy v1alpha1.Policy) map[schema.GroupVersionKind]kindFacts {
	kinds := map[schema.GroupVersionKind]kindFacts{}
	for gvk := range kindsOf([]v1alpha1.Policy{policy}) {
		facts := kindFacts{watch: k.templates.State(gvk)}
		if facts.watch.Synced { // so that the mapper knows it and need not ask the host
			mapping, err := k.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
			facts.clusterScoped = err == nil && mapping.Scope.Name() == meta.RESTScopeNameRoot
		}
		kinds[gvk] = facts
	}
	return kinds
}

// tellTurns warns, on the policy, when a condition turns False or is False for another reason than before.
// Watches that start need no warning.
func (k *policyKeeper) tellTurns(policy v1alpha1.Policy, before, after []metav1.Condition) {
	for _, now := range after {
		if now.Reason != v1alpha1.ReasonWatchStarting && conditions.TurnedBad(before, now) {
			k.events.Eventf(policy, nil, corev1.EventTypeWarning, now.Reason, checkAction,
				"%s", conditions.Shorten(now.Message, conditions.MaxNote))
		}
	}
}

// onBinding counts again, some time later, for the policies whose bindings came, went or changed hands. The
// bindings of the first list are counted when their policy is first looked at.
func (k *policyKeeper) onBinding() handler.Funcs {
	count := func(q queueOf[ctrl.Request], objects ...client.Object) {
		for _, obj := range objects {
			if binding, ok := obj.(v1alpha1.Binding); ok {
				if policy := binding.BindingSpec().Policy; policy != nil {
					key := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}
					q.AddAfter(ctrl.Request{NamespacedName: key}, countDelay)
				}
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queueOf[ctrl.Request]) {
			if !e.IsInInitialList {
				count(q, e.Object)
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queueOf[ctrl.Request]) {
			if specchange.Between(e.ObjectOld, e.ObjectNew) && !samePolicy(e.ObjectOld, e.ObjectNew) {
				count(q, e.ObjectOld, e.ObjectNew)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queueOf[ctrl.Request]) { count(q, e.Object) },
	}
}

func samePolicy(before, after client.Object) bool {
	old, ok := before.(v1alpha1.Binding)
	if !ok {
		return false
	}
	now, ok := after.(v1alpha1.Binding)
	if !ok {
		return false
	}
	a, b := old.BindingSpec().Policy, now.BindingSpec().Policy
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name
}

// listen is a source: from now on, news about the watches of kinds reach the queue.
func (k *policyKeeper) listen(ctx context.Context, q queueOf[ctrl.Request]) error {
	news := func(gvk schema.GroupVersionKind) {
		policies, err := allPolicies(ctx, k.client)
		if err != nil {
			return // the cache is starting or closing; every policy is looked at once it has started
		}
		for _, policy := range policies {
			if kindsOf([]v1alpha1.Policy{policy}).Has(gvk) {
				q.Add(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(policy)})
			}
		}
	}
	k.kindNews.Store(&news)
	return nil
}

// onState looks again at the policies that select a kind whose watch synced or failed.
func (k *policyKeeper) onState(gvk schema.GroupVersionKind) {
	if news := k.kindNews.Load(); news != nil {
		(*news)(gvk)
	}
}
