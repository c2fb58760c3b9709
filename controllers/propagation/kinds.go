package propagation

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// unwatchDelay gathers the bindings that go in one burst into one look at whether their kinds are still needed.
const unwatchDelay = time.Second

// kindKeeper watches exactly the kinds that some policy or binding names, or that are needed otherwise.
type kindKeeper struct {
	client    client.Reader
	templates Templates
	needed    func(schema.GroupVersionKind) bool // nil: none is
}

// allKinds is the only request of the kindKeeper.
var allKinds = ctrl.Request{}

// Reconcile starts the watches that policies ask for, and stops those that nobody needs. Those that bindings
// ask for were started when the bindings were seen.
func (k *kindKeeper) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	policies, err := allPolicies(ctx, k.client)
	if err != nil {
		return ctrl.Result{}, err
	}
	selected := kindsOf(policies)
	for gvk := range selected {
		k.templates.Watch(gvk)
	}
	for _, gvk := range k.templates.Kinds() {
		if selected.Has(gvk) || (k.needed != nil && k.needed(gvk)) {
			continue
		}
		bindings, err := hostindex.Bindings(ctx, k.client, hostindex.ByKind, hostindex.KindValue(gvk))
		if err != nil {
			return ctrl.Result{}, fmt.Errorf("looking for bindings of kind %s: %w", gvk.Kind, err)
		}
		if len(bindings) == 0 {
			k.templates.Unwatch(gvk)
		}
	}
	return ctrl.Result{}, nil
}

// kindsOf are the kinds that policies can select templates of.
func kindsOf(policies []v1alpha1.Policy) sets.Set[schema.GroupVersionKind] {
	kinds := sets.New[schema.GroupVersionKind]()
	for _, policy := range policies {
		selectors := policy.PropagationSpec().ResourceSelectors
		for i := range selectors {
			gvk := selectors[i].GroupVersionKind()
			if policymatch.KindAllowed(gvk.GroupKind()) && !foreignNamespace(policy, selectors[i]) && gvk.Version != "" {
				kinds.Insert(gvk)
			}
		}
	}
	return kinds
}

// foreignNamespace says whether a PropagationPolicy's selector names another namespace, where it has no say.
func foreignNamespace(policy v1alpha1.Policy, s v1alpha1.ResourceSelector) bool {
	return policy.GetNamespace() != "" && s.Namespace != "" && s.Namespace != policy.GetNamespace()
}

func (k *kindKeeper) onPolicy() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, _ event.CreateEvent, q queueOf[ctrl.Request]) { q.Add(allKinds) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queueOf[ctrl.Request]) {
			if specchange.Between(e.ObjectOld, e.ObjectNew) {
				q.Add(allKinds)
			}
		},
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queueOf[ctrl.Request]) { q.Add(allKinds) },
	}
}

func (k *kindKeeper) onBinding() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ queueOf[ctrl.Request]) {
			if binding, ok := e.Object.(v1alpha1.Binding); ok && requestOf(binding).GVK.Version != "" {
				k.templates.Watch(requestOf(binding).GVK)
			}
		},
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queueOf[ctrl.Request]) {
			q.AddAfter(allKinds, unwatchDelay)
		},
	}
}
