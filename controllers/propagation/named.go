package propagation

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// named brings what belongs to the policies that name an object, when that comes, goes or is another one. Nothing else about
// it matters to them.
type named[request comparable] struct {
	client   client.Reader
	priority int
	// names says whether a policy names the object of a name.
	names func(policy v1alpha1.Policy, name string) bool
	// belongs is what is looked at again.
	belongs func(context.Context, v1alpha1.Policy) []request
}

func (n named[request]) handler() handler.TypedFuncs[client.Object, request] {
	return handler.TypedFuncs[client.Object, request]{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queueOf[request]) {
			if !e.IsInInitialList {
				n.bring(ctx, e.Object.GetName(), q)
			}
		},
		// It can be deleted and created again between two looks.
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queueOf[request]) {
			if e.ObjectOld.GetUID() != e.ObjectNew.GetUID() {
				n.bring(ctx, e.ObjectNew.GetName(), q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queueOf[request]) {
			n.bring(ctx, e.Object.GetName(), q)
		},
	}
}

func (n named[request]) bring(ctx context.Context, name string, q queueOf[request]) {
	policies, err := allPolicies(ctx, n.client)
	if err != nil { // the cache is closing
		log.FromContext(ctx).Error(err, "Cannot look again at the policies that name an object", "object", name)
		return
	}
	for _, policy := range policies {
		if n.names(policy, name) {
			enqueue(q, n.priority, n.belongs(ctx, policy)...)
		}
	}
}
