package dependencies

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/proof"
)

// request is an owner's entry in the binding of one object.
type request struct {
	owner   types.NamespacedName
	binding v1alpha1.Binding // of the owner; nil takes the entry out, unless it is leaving
	// leaving says that the owner is being deleted: its entry stays as it is, but that it says preserve or not.
	leaving, preserve bool
	// gone says that the owner's binding does not exist any more: what it was to preserve stays.
	gone bool
	key  types.NamespacedName
	// resource is the object, for a binding that is made.
	resource v1alpha1.ObjectReference
}

// fulfil makes the binding of one object say what an owner asks. It returns when to try again, zero when there is no need to: others
// have entries in the same list, so one writes at a time, and never upon a list that is out of date.
func (r *Reconciler) fulfil(ctx context.Context, q request) (time.Duration, error) {
	if !r.busy.begin(q.key) {
		return ownwrites.Retry, nil
	}
	defer r.busy.end(q.key)
	current, err := r.current(ctx, q.key)
	if err != nil {
		return 0, err
	}
	var version string
	var have claims
	if current != nil {
		version, have = current.GetResourceVersion(), claimsOf(current)
	}
	if !r.writes.Seen(q.key, version) {
		return r.writes.Wait(q.key), nil
	}
	want := q.in(have)
	if want.preserved, err = r.staying(ctx, want.preserved); err != nil {
		return 0, err
	}
	switch {
	case want.equal(have):
		return 0, nil
	case current != nil && current.GetDeletionTimestamp() != nil:
		if q.binding == nil {
			return 0, nil
		}
		return endRetry, nil // one is made anew when it is gone
	case len(want.required) == 0 && current.BindingSpec().Attached():
		return r.settle(q.key, version, r.detach(ctx, current))
	default:
		return r.settle(q.key, version, r.apply(ctx, q, current, want))
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
	case q.leaving && before != nil:
		entry = lastEntryOf(q.preserve, *before)
	case q.gone && before != nil:
		want.preserved = have.inherit(*before)
	}
	want.required = replaced(have.required, entry)
	return want
}

// staying are the clusters that are not about to leave the fleet: what happens to the objects in one that is, its Cluster says. That
// the cache does not show a Cluster is no evidence, and what is struck here does not come back: the host is asked for it.
func (r *Reconciler) staying(ctx context.Context, clusters []string) ([]string, error) {
	var stay []string
	for _, name := range clusters {
		cluster, _, err := proof.Cluster(ctx, r.client, r.live, name)
		if err != nil {
			return nil, err
		}
		if cluster != nil && cluster.DeletionTimestamp == nil {
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

// settle sorts out errors of a write upon a version that are no failures: the binding was changed, made or replaced meanwhile, or its
// namespace is about to go.
func (r *Reconciler) settle(key types.NamespacedName, version string, err error) (time.Duration, error) {
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		r.writes.Refused(key, version)
		return r.writes.Wait(key), nil
	case terminating(err):
		return 0, nil
	default:
		return 0, err
	}
}

// detach deletes the binding of an object that goes nowhere any more. Nothing may have changed about it: somebody else may
// ask for it, or a policy select it.
func (r *Reconciler) detach(ctx context.Context, current v1alpha1.Binding) error {
	uid, version := current.GetUID(), current.GetResourceVersion()
	err := r.client.Delete(ctx, current, client.Preconditions{UID: &uid, ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting binding %s, which nothing requires: %w", client.ObjectKeyFromObject(current), err)
	}
	return nil
}

// apply writes who requires an object. current is nil for a binding that is made. The list is written whole, with the entries of
// other owners as they were read: the host refuses it when the binding has changed since, or is there although it was not to be.
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
	u.SetResourceVersion(objectpatch.AbsentVersion)
	if current != nil {
		u.SetUID(current.GetUID())
		u.SetResourceVersion(current.GetResourceVersion())
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
		if along.blind {
			q.binding = binding // nothing is given up because it cannot be seen at the moment
		}
		list = append(list, q)
	}
	return list
}
