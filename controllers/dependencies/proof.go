package dependencies

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
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
		along.hide(along.unreadable(attached), "it cannot be told at the moment what there is of its kind")
	}
	for _, other := range attached {
		if along.blind {
			break
		}
		presence, err := r.presence(ctx, *along, other)
		if err != nil {
			along.blind = true
			return again, err
		}
		switch presence {
		case proof.Present:
			along.hide(other, "the cache does not show it")
			again = sooner(again, overlookedRetry)
		case proof.Unserved:
			along.hide(other, "the host does not serve its kind")
			again = sooner(again, unservedRetry)
		}
	}
	return again, nil
}

// hide notes what went along so far and cannot be seen, and why; nil for nothing.
func (f *found) hide(binding v1alpha1.Binding, why string) {
	if binding != nil && !f.blind {
		resource := binding.BindingSpec().Resource
		f.blind, f.hidden = true, fmt.Sprintf("%s %s: %s", resource.Kind, resource.Name, why)
	}
}

// unreadable is the binding of something that went along so far, of a kind of which it cannot be told what there is; nil for none.
func (f found) unreadable(attached []v1alpha1.Binding) v1alpha1.Binding {
	for gvk := range f.unknown {
		for _, other := range attached {
			if other.BindingSpec().Resource.GroupVersionKind().GroupKind() == gvk.GroupKind() {
				return other
			}
		}
	}
	return nil
}

// presence is what the host says of an object that went along so far, is looked for and was not found. It is asked in the version that is
// looked for: that of the binding may be one that the host has ceased to serve. It is Gone without asking where the object goes along, is
// not looked for, or is shown and was not taken, because it is not wanted.
func (r *Reconciler) presence(ctx context.Context, along found, other v1alpha1.Binding) (proof.Presence, error) {
	if along.has(other) {
		return proof.Gone, nil
	}
	resource := other.BindingSpec().Resource
	var shown, unserved bool
	for gvk := range along.sought.versions(resource.GroupVersionKind().GroupKind(), resource.Name) {
		if _, exists, err := r.templates.Get(gvk, resource.Key()); err == nil && exists {
			shown = true
			continue
		}
		resource.APIVersion = gvk.GroupVersion().String()
		presence, err := proof.OfTemplate(ctx, r.live, resource)
		if err != nil || presence != proof.Unserved {
			return presence, err
		}
		unserved = true
	}
	if unserved && !shown {
		return proof.Unserved, nil
	}
	return proof.Gone, nil
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

// versions are those in which an object is looked for, by its name or among all of its kind.
func (i interest) versions(kind schema.GroupKind, name string) sets.Set[schema.GroupVersionKind] {
	found := sets.New[schema.GroupVersionKind]()
	for gvk := range i.kinds {
		if gvk.GroupKind() == kind {
			found.Insert(gvk)
		}
	}
	for o := range i.named {
		if o.gvk.GroupKind() == kind && o.key.Name == name {
			found.Insert(o.gvk)
		}
	}
	return found
}
