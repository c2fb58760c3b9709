package propagation

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/specchange"
)

// templateHandler is an event handler that leads to templates.
type templateHandler = handler.TypedFuncs[client.Object, Request]

// onPolicy brings the templates that a policy selects, selected or governs. The policies of the first list are
// no news, all templates come anyway, but for those that were written while nobody led: their templates come sooner.
func (r *Reconciler) onPolicy() templateHandler {
	return templateHandler{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queueOf[Request]) {
			if policy, ok := e.Object.(v1alpha1.Policy); ok && (!e.IsInInitialList || unserved(policy)) {
				enqueue(q, policyPriority, r.selected(policy)...)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queueOf[Request]) {
			before, ok := e.ObjectOld.(v1alpha1.Policy)
			if !ok {
				return
			}
			after, ok := e.ObjectNew.(v1alpha1.Policy)
			if !ok || !specchange.Between(before, after) {
				return // a deletionTimestamp raises the generation too
			}
			enqueue(q, policyPriority, r.selected(before, after)...)
			enqueue(q, policyPriority, r.governedBy(ctx, after)...)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queueOf[Request]) {
			if policy, ok := e.Object.(v1alpha1.Policy); ok {
				enqueue(q, policyPriority, r.governedBy(ctx, policy)...)
			}
		},
	}
}

// unserved says whether no leader has told yet what became of a policy as it is.
func unserved(policy v1alpha1.Policy) bool {
	return policy.PropagationStatus().ObservedGeneration != policy.GetGeneration()
}

// selectedBy is selected for one policy.
func (r *Reconciler) selectedBy(_ context.Context, policy v1alpha1.Policy) []Request {
	return r.selected(policy)
}

// selected finds the templates that any of the policies selects, as far as their kinds are in the cache. Those
// of the other kinds come when their kind has synced.
func (r *Reconciler) selected(policies ...v1alpha1.Policy) []Request {
	var requests []Request
	for gvk := range kindsOf(policies) {
		templates, err := r.templates.List(gvk)
		if err != nil {
			continue
		}
		requests = append(requests, selectedOf(gvk, templates, policies)...)
	}
	return requests
}

func selectedOf(gvk schema.GroupVersionKind, templates []any, policies []v1alpha1.Policy) []Request {
	var requests []Request
	for _, obj := range templates {
		object, ok := obj.(metav1.Object)
		if !ok {
			continue
		}
		template := policymatch.Of(gvk, object)
		for _, policy := range policies {
			if policymatch.Match(template, policy) != policymatch.NoMatch {
				requests = append(requests, Request{GVK: gvk, Key: keyOf(object)})
				break
			}
		}
	}
	return requests
}

func (r *Reconciler) governedBy(ctx context.Context, policy v1alpha1.Policy) []Request {
	value := hostindex.PolicyValue(policy.GetNamespace(), policy.GetName())
	bindings, err := hostindex.Bindings(ctx, r.client, hostindex.ByPolicy, value)
	if err != nil { // the cache is closing
		log.FromContext(ctx).Error(err, "Cannot look at the templates of a policy again", "policy", client.ObjectKeyFromObject(policy))
		return nil
	}
	return requestsOf(bindings)
}

func requestsOf(bindings []v1alpha1.Binding) []Request {
	requests := make([]Request, len(bindings))
	for i, binding := range bindings {
		requests[i] = requestOf(binding)
	}
	return requests
}

// onBinding brings a binding's template when someone else changed or deleted what propagation wrote, and at the
// start, when the template may have gone while no manager ran.
func (r *Reconciler) onBinding() templateHandler {
	return templateHandler{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queueOf[Request]) {
			if binding, ok := e.Object.(v1alpha1.Binding); ok {
				enqueue(q, resyncPriority, requestOf(binding))
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queueOf[Request]) {
			before, ok := e.ObjectOld.(v1alpha1.Binding)
			if !ok {
				return
			}
			if after, ok := e.ObjectNew.(v1alpha1.Binding); ok && ownPartChanged(before, after) {
				enqueue(q, userPriority, requestOf(after))
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queueOf[Request]) {
			if binding, ok := e.Object.(v1alpha1.Binding); ok {
				r.writes.Forget(client.ObjectKeyFromObject(binding))
				enqueue(q, userPriority, requestOf(binding))
			}
		},
	}
}

func ownPartChanged(before, after v1alpha1.Binding) bool {
	if specchange.Between(before, after) { // not so for the many changes of the status
		old, now := ownPart(before.BindingSpec()), ownPart(after.BindingSpec())
		if !equality.Semantic.DeepEqual(&old, &now) || attachedChanged(before.BindingSpec(), after.BindingSpec()) {
			return true
		}
	}
	return activatedFor(before) != activatedFor(after) ||
		!equality.Semantic.DeepEqual(before.GetFinalizers(), after.GetFinalizers()) ||
		!equality.Semantic.DeepEqual(before.GetOwnerReferences(), after.GetOwnerReferences())
}

// onNamespace brings the bindings of a namespace that became, or ceased to be, a template namespace.
func (r *Reconciler) onNamespace() templateHandler {
	return templateHandler{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queueOf[Request]) {
			if !e.IsInInitialList {
				enqueue(q, policyPriority, r.within(ctx, e.Object.GetName())...)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queueOf[Request]) {
			if e.ObjectOld.GetLabels()[v1alpha1.TemplatesLabel] != e.ObjectNew.GetLabels()[v1alpha1.TemplatesLabel] {
				enqueue(q, policyPriority, r.within(ctx, e.ObjectNew.GetName())...)
			}
		},
	}
}

func (r *Reconciler) within(ctx context.Context, namespace string) []Request {
	var list v1alpha1.ResourceBindingList
	if err := r.client.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Cannot look at the templates of a namespace again", "namespace", namespace)
		return nil
	}
	requests := make([]Request, len(list.Items))
	for i := range list.Items {
		requests[i] = requestOf(&list.Items[i])
	}
	return requests
}
