package dependencies

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/proof"
)

// prove makes sure that nothing is given up that merely cannot be seen. What went along so far, is looked for and was not found has to be
// gone from the host itself, not only from a cache that may be behind; otherwise nothing is given up, since what it needs in turn is not
// seen either. It returns when to look again, zero when there is no need to. With an error nothing is given up.
func (r *Reconciler) prove(ctx context.Context, along *found, attached []v1alpha1.Binding) (time.Duration, error) {
	var again time.Duration
	if len(along.unknown) > 0 {
		again = unknownRetry
		along.blind = along.blind || along.hides(attached)
	}
	for _, other := range attached {
		if along.blind || !r.overlooked(*along, other) {
			continue
		}
		presence, err := proof.OfTemplate(ctx, r.live, other.BindingSpec().Resource)
		if err != nil {
			along.blind = true
			return again, err
		}
		switch presence {
		case proof.Present:
			along.blind, again = true, sooner(again, overlookedRetry)
		case proof.Unserved:
			along.blind, again = true, sooner(again, unservedRetry)
		}
	}
	return again, nil
}

// hides says whether something that went along so far is of a kind of which it cannot be told what there is.
func (f found) hides(attached []v1alpha1.Binding) bool {
	for gvk := range f.unknown {
		for _, other := range attached {
			if other.BindingSpec().Resource.GroupVersionKind().GroupKind() == gvk.GroupKind() {
				return true
			}
		}
	}
	return false
}

// overlooked says whether the object of a binding that went along so far is looked for and the cache does not show it. What the cache
// shows and was not taken is not wanted.
func (r *Reconciler) overlooked(along found, other v1alpha1.Binding) bool {
	resource := other.BindingSpec().Resource
	if along.has(other) || !along.sought.seeks(resource.GroupVersionKind().GroupKind(), resource.Name) {
		return false
	}
	_, shown, err := r.templates.Get(resource.GroupVersionKind(), resource.Key())
	return err != nil || !shown
}

// has says whether the object of a binding goes along, in whatever version.
func (f found) has(binding v1alpha1.Binding) bool {
	key := client.ObjectKeyFromObject(binding)
	for o := range f.objects {
		if bindingKey(o.gvk, o.key.Namespace, o.key.Name) == key {
			return true
		}
	}
	return false
}

// seeks says whether an object is looked for, by its name or among all of its kind, in whatever version.
func (i interest) seeks(kind schema.GroupKind, name string) bool {
	for gvk := range i.kinds {
		if gvk.GroupKind() == kind {
			return true
		}
	}
	for o := range i.named {
		if o.gvk.GroupKind() == kind && o.key.Name == name {
			return true
		}
	}
	return false
}
