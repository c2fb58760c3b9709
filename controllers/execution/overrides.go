package execution

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/override"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// +kubebuilder:rbac:groups=flotilla.dev,resources=overridepolicies;clusteroverridepolicies,verbs=get;list;watch

// overrides are the override policies of the host, each compiled once. They are read from the manager's cache, which has
// synced before anything is rendered: a manifest without its overrides never leaves.
type overrides struct {
	host client.Reader

	mu       sync.Mutex
	compiled map[types.UID]compiledPolicy
}

type compiledPolicy struct {
	generation int64
	policy     *override.Policy
}

func newOverrides(host client.Reader) *overrides {
	return &overrides{host: host, compiled: map[types.UID]compiledPolicy{}}
}

// of are the policies that can be for templates of a namespace.
func (o *overrides) of(ctx context.Context, namespace string) ([]*override.Policy, error) {
	found, err := hostindex.Overrides(ctx, o.host, namespace)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	policies := make([]*override.Policy, len(found))
	for i, policy := range found {
		policies[i] = o.compile(policy)
	}
	return policies, nil
}

// compile says of a policy that cannot be understood nothing here: each template that it is for will.
func (o *overrides) compile(policy v1alpha1.Override) *override.Policy {
	o.mu.Lock()
	defer o.mu.Unlock()
	known, found := o.compiled[policy.GetUID()]
	if !found || known.generation != policy.GetGeneration() {
		compiled, _ := override.Compile(policy)
		known = compiledPolicy{policy.GetGeneration(), compiled}
		o.compiled[policy.GetUID()] = known
	}
	return known.policy
}

func (o *overrides) forget(policy v1alpha1.Override) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.compiled, policy.GetUID())
}

// listenToOverrides hands on the bindings that a changed policy was or is for.
func (d *dispatcher) listenToOverrides(ctx context.Context, mgr ctrl.Manager) error {
	for _, twin := range []client.Object{&v1alpha1.OverridePolicy{}, &v1alpha1.ClusterOverridePolicy{}} {
		informer, err := mgr.GetCache().GetInformer(ctx, twin)
		if err != nil {
			return fmt.Errorf("watching %T: %w", twin, err)
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
			AddFunc: func(obj any, initial bool) {
				if !initial { // at the start every binding is looked at anyway
					d.overridesChanged(ctx, obj)
				}
			},
			UpdateFunc: func(before, after any) {
				if !sameSpec(before, after) { // otherwise only its status changed, or a label
					d.overridesChanged(ctx, before, after)
				}
			},
			DeleteFunc: func(obj any) {
				if last, gone := obj.(toolscache.DeletedFinalStateUnknown); gone {
					obj = last.Obj
				}
				d.overridesChanged(ctx, obj)
				if policy, ok := obj.(v1alpha1.Override); ok {
					d.overrides.forget(policy)
				}
			},
		})
		if err != nil {
			return fmt.Errorf("listening to %T: %w", twin, err)
		}
	}
	return nil
}

// sameSpec says whether nothing that a policy is for, or changes, differs between two of its versions.
func sameSpec(before, after any) bool {
	a, ok := before.(v1alpha1.Override)
	b, also := after.(v1alpha1.Override)
	return ok && also && !specchange.Between(a, b)
}

// overridesChanged hands on every binding whose template one of the versions of a policy is for.
func (d *dispatcher) overridesChanged(ctx context.Context, versions ...any) {
	var policies []*override.Policy
	namespace := ""
	for _, version := range versions {
		if policy, ok := version.(v1alpha1.Override); ok {
			compiled, _ := override.Compile(policy)
			policies, namespace = append(policies, compiled), policy.GetNamespace()
		}
	}
	bindings, err := hostindex.BindingsOf(ctx, d.host, namespace)
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot look up the bindings of an override policy")
		return
	}
	for _, binding := range bindings {
		template, found, err := d.template(binding.BindingSpec().Resource)
		if err == nil && found && len(override.Order(policymatch.Of(template.GroupVersionKind(), template), policies)) > 0 {
			d.fanOut(binding, handler.LowPriority/2)
		}
	}
}
