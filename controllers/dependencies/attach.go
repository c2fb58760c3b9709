package dependencies

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// request is an owner's entry in the binding of one object.
type request struct {
	owner   types.NamespacedName
	binding v1alpha1.Binding // of the owner; nil takes the entry out
	// gone says that the owner's binding does not exist any more: what it was to preserve stays.
	gone bool
	key  types.NamespacedName
	// resource is the object, for a binding that is made.
	resource v1alpha1.ObjectReference
}

// fulfil makes the binding of one object say what an owner asks. It is false when it has to be tried again a little later:
// others have entries in the same list, so one writes at a time, and never upon a list that is out of date.
func (r *Reconciler) fulfil(ctx context.Context, q request) (bool, error) {
	if !r.busy.begin(q.key) {
		return false, nil
	}
	defer r.busy.end(q.key)
	current, err := r.current(ctx, q.key)
	if err != nil {
		return false, err
	}
	var version string
	var have claims
	if current != nil {
		version, have = current.GetResourceVersion(), claimsOf(current)
	}
	if !r.writes.Seen(q.key, version) {
		return false, nil
	}
	want := q.in(have)
	if want.preserved, err = r.staying(ctx, want.preserved); err != nil {
		return false, err
	}
	switch {
	case want.equal(have):
		return true, nil
	case current != nil && current.GetDeletionTimestamp() != nil:
		return q.binding == nil, nil // one is made anew when it is gone
	case len(want.required) == 0 && current.BindingSpec().Attached():
		return r.detach(ctx, current)
	default:
		return settle(r.apply(ctx, q, current, want))
	}
}

// in is what the object's binding says once the owner's entry is what it asks for.
func (q request) in(have claims) claims {
	want := have
	before := entryIn(have.required, q.owner.Namespace, q.owner.Name)
	entry := v1alpha1.BindingSnapshot{Namespace: q.owner.Namespace, Name: q.owner.Name}
	switch {
	case q.binding != nil:
		entry = entryOf(q.binding, before)
	case q.gone && before != nil:
		want.preserved = have.inherit(*before)
	}
	want.required = replaced(have.required, entry)
	return want
}

// staying are the clusters that are not about to leave the fleet: what happens to the objects in one that is, its Cluster says.
func (r *Reconciler) staying(ctx context.Context, clusters []string) ([]string, error) {
	var stay []string
	for _, name := range clusters {
		cluster := &v1alpha1.Cluster{}
		err := r.client.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading Cluster %s: %w", name, err)
		}
		if err == nil && cluster.DeletionTimestamp == nil {
			stay = append(stay, name)
		}
	}
	return stay, nil
}

// current is a copy of a binding; nil when there is none.
func (r *Reconciler) current(ctx context.Context, key types.NamespacedName) (v1alpha1.Binding, error) {
	binding, err := hostindex.Binding(ctx, r.client, key)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading binding %s: %w", key, err)
	}
	return binding, nil
}

// settle sorts out errors that are no failures: the binding was replaced, or its namespace is about to go.
func settle(err error) (bool, error) {
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return false, nil
	case terminating(err):
		return true, nil
	default:
		return err == nil, err
	}
}

// detach deletes the binding of an object that goes nowhere any more. Nothing may have changed about it: somebody else may
// ask for it, or a policy select it.
func (r *Reconciler) detach(ctx context.Context, current v1alpha1.Binding) (bool, error) {
	uid, version := current.GetUID(), current.GetResourceVersion()
	err := r.client.Delete(ctx, current, client.Preconditions{UID: &uid, ResourceVersion: &version})
	switch {
	case apierrors.IsConflict(err):
		return false, nil
	case client.IgnoreNotFound(err) != nil:
		return false, fmt.Errorf("deleting binding %s, which nothing requires: %w", client.ObjectKeyFromObject(current), err)
	default:
		return true, nil
	}
}

// apply writes who requires an object. current is nil for a binding that is made.
func (r *Reconciler) apply(ctx context.Context, q request, current v1alpha1.Binding, want claims) error {
	spec := &v1alpha1.BindingSpec{Resource: q.resource, RequiredBy: want.required, PreservedIn: want.preserved}
	if current != nil {
		spec.Resource = current.BindingSpec().Resource
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return fmt.Errorf("converting the spec of binding %s: %w", q.key, err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	u.SetGroupVersionKind(v1alpha1.NewBinding(q.key.Namespace).GetObjectKind().GroupVersionKind())
	u.SetNamespace(q.key.Namespace)
	u.SetName(q.key.Name)
	u.SetFinalizers([]string{v1alpha1.BindingFinalizer})
	if current != nil {
		u.SetUID(current.GetUID())
	}
	owner := client.FieldOwner(objectpatch.DependenciesOwner)
	if err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), owner, client.ForceOwnership); err != nil {
		return fmt.Errorf("applying who requires binding %s: %w", q.key, err)
	}
	r.writes.Wrote(q.key, u.GetResourceVersion())
	return nil
}

// requests are what an owner asks of every object that goes along, and of every binding that has an entry of it already.
func requests(owner types.NamespacedName, binding v1alpha1.Binding, along found, attached []v1alpha1.Binding) []request {
	var list []request
	asked := sets.New[types.NamespacedName]()
	for o, uid := range along.objects {
		key := bindingKey(o.gvk, o.key.Namespace, o.key.Name)
		if asked.Has(key) {
			continue // the same object in another version
		}
		asked.Insert(key)
		list = append(list, request{owner: owner, binding: binding, key: key, resource: v1alpha1.ObjectReference{
			APIVersion: o.gvk.GroupVersion().String(), Kind: o.gvk.Kind, Namespace: o.key.Namespace, Name: o.key.Name, UID: uid,
		}})
	}
	for _, other := range attached {
		key := client.ObjectKeyFromObject(other)
		if asked.Has(key) {
			continue
		}
		q := request{owner: owner, key: key}
		if along.unknown.Has(other.BindingSpec().Resource.GroupVersionKind()) {
			q.binding = binding // nothing is given up because it cannot be seen at the moment
		}
		list = append(list, q)
	}
	return list
}
