package propagation

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/proof"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// Templates are read by the aggregated ClusterRole flotilla-templates, which administrators widen.
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=propagationpolicies;clusterpropagationpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=flotilla.dev,resources=propagationpolicies/status;clusterpropagationpolicies/status,verbs=patch
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings;clusterresourcebindings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=flotilla.dev,resources=resourcebindings/status;clusterresourcebindings/status,verbs=patch
// +kubebuilder:rbac:groups=scheduling.k8s.io,resources=priorityclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const (
	// cacheRetry is when to look again after the host contradicted the cache of templates.
	cacheRetry = time.Second
	// evidenceRetry is when to look again for a template whose kind the host does not serve at the moment.
	evidenceRetry = time.Minute
)

// Reconciler keeps the bindings of templates.
type Reconciler struct {
	client      client.Client
	live        client.Reader
	templates   Templates
	interpreter Interpreter
	clock       clock.PassiveClock
	writes      *ownwrites.Writes
	journeys    *telemetry.Journeys
}

// Reconcile makes the binding of one template say what it should.
func (r *Reconciler) Reconcile(ctx context.Context, req Request) (ctrl.Result, error) {
	template, err := r.template(req)
	if errors.Is(err, objectcache.ErrNotSynced) {
		return ctrl.Result{}, nil // all templates of the kind come back when it has synced
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading template %s %s: %w", req.GVK.Kind, req.Key, err)
	}
	binding, version, err := r.binding(ctx, req)
	if err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case template == nil && binding == nil:
		r.writes.Forget(req.binding())
		r.journeys.Drop(req.binding())
		return ctrl.Result{}, nil
	case !r.writes.Seen(req.binding(), version):
		return ctrl.Result{RequeueAfter: r.writes.Wait(req.binding())}, nil
	case binding != nil && binding.GetDeletionTimestamp() != nil:
		return ctrl.Result{}, nil // its end brings the template back
	case template == nil:
		r.journeys.Drop(req.binding())
		return r.retire(ctx, req, binding)
	case template.GetDeletionTimestamp() != nil:
		return ctrl.Result{}, nil // what holds it may need its copies; its end brings it back
	default:
		return r.settle(req, version, r.propagate(ctx, req, template, binding))
	}
}

// settle sorts out errors that are no failures. version is that of the cached binding that was written upon.
func (r *Reconciler) settle(req Request, version string, err error) (ctrl.Result, error) {
	switch {
	case apierrors.IsConflict(err): // the binding was replaced meanwhile
		r.writes.Refused(req.binding(), version)
		return ctrl.Result{RequeueAfter: r.writes.Wait(req.binding())}, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ctrl.Result{}, nil // the template is about to go
	default:
		return ctrl.Result{}, err
	}
}

// template is the cache's own template, nil when it does not exist.
func (r *Reconciler) template(req Request) (*unstructured.Unstructured, error) {
	obj, found, err := r.templates.Get(req.GVK, req.Key)
	if err != nil || !found {
		return nil, err
	}
	template, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("the cache holds a %T", obj)
	}
	return template, nil
}

// binding is the cache's own binding, nil with an empty version when it does not exist.
func (r *Reconciler) binding(ctx context.Context, req Request) (binding v1alpha1.Binding, version string, err error) {
	key := req.binding()
	binding = v1alpha1.NewBinding(key.Namespace)
	err = r.client.Get(ctx, key, binding, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading binding %s: %w", key, err)
	}
	return binding, binding.GetResourceVersion(), nil
}

// propagate writes the binding if it does not say what it should.
func (r *Reconciler) propagate(ctx context.Context, req Request, template *unstructured.Unstructured, binding v1alpha1.Binding) error {
	policies, err := policiesFor(ctx, r.client, req.Key.Namespace)
	if err != nil {
		return err
	}
	f := facts{request: req, template: template, policies: policies, current: binding}
	if f.classes, err = classesOf(ctx, r.client, policies); err != nil {
		return err
	}
	if f.overrides, err = overridesFor(ctx, r.client, policies, req.Key.Namespace); err != nil {
		return err
	}
	if f.wrapper, err = r.wrapper(req, template); err != nil {
		return err
	}
	f.workload = r.interpret(template)
	want := decide(f)
	if want.spec == nil {
		r.journeys.Drop(req.binding())
		return nil
	}
	if binding == nil || !upToDate(binding, want) {
		binding, err = r.apply(ctx, req, want, binding)
		if err != nil {
			return err
		}
	}
	return r.tell(ctx, binding, f)
}

// wrapper is the name of what the template is wrapped in; empty for a native one.
func (r *Reconciler) wrapper(req Request, template *unstructured.Unstructured) (string, error) {
	holder, err := r.templates.Wrapper(req.GVK, req.Key)
	if err != nil || holder == nil || holder.GetUID() != template.GetUID() {
		return "", err // a wrapper that came a moment ago brings the template back
	}
	return holder.GetName(), nil
}

// apply writes the binding and returns it as the host knows it now.
func (r *Reconciler) apply(ctx context.Context, req Request, want desired, before v1alpha1.Binding) (v1alpha1.Binding, error) {
	u, err := manifest(req, want)
	if err != nil {
		return nil, err
	}
	if before != nil {
		u.SetUID(before.GetUID()) // a namesake created meanwhile is not written to
	}
	owner := client.FieldOwner(objectpatch.PropagationOwner)
	if err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), owner, client.ForceOwnership); err != nil {
		return nil, fmt.Errorf("applying binding %s: %w", req.binding(), err)
	}
	r.writes.Wrote(req.binding(), u.GetResourceVersion())
	r.journeys.Bound(req.binding(), before == nil)
	after := v1alpha1.NewBinding(u.GetNamespace())
	after.SetNamespace(u.GetNamespace())
	after.SetName(u.GetName())
	after.SetUID(u.GetUID())
	if before != nil {
		*after.BindingStatus() = *before.BindingStatus()
	}
	return after, nil
}

// retire deletes the binding of a template that is gone. The cache's word is not enough for that: the host is
// asked, and only its answer that this object does not exist counts. That it does not serve the kind (at the
// moment, in this version) says nothing about the object.
func (r *Reconciler) retire(ctx context.Context, req Request, binding v1alpha1.Binding) (ctrl.Result, error) {
	presence, err := proof.OfTemplate(ctx, r.live, req.reference(binding.BindingSpec().Resource.Wrapper))
	switch {
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("checking that template %s %s is gone: %w", req.GVK.Kind, req.Key, err)
	case presence == proof.Present:
		return ctrl.Result{RequeueAfter: cacheRetry}, nil
	case presence == proof.Unserved:
		log.FromContext(ctx).Info("Keeping the binding of a template whose kind the host does not serve", "binding", req.binding())
		return ctrl.Result{RequeueAfter: evidenceRetry}, nil
	}
	uid := binding.GetUID()
	victim := v1alpha1.NewBinding(binding.GetNamespace())
	victim.SetNamespace(binding.GetNamespace())
	victim.SetName(binding.GetName())
	err = r.client.Delete(ctx, victim, client.Preconditions{UID: &uid})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return ctrl.Result{}, fmt.Errorf("deleting binding %s of a template that is gone: %w", req.binding(), err)
	}
	return ctrl.Result{}, nil
}

// policiesFor are the policies that can select templates of a namespace (empty: cluster-scoped ones). They are
// the cache's own.
func policiesFor(ctx context.Context, c client.Reader, namespace string) ([]v1alpha1.Policy, error) {
	if namespace == "" {
		return listPolicies(ctx, c, nil)
	}
	return listPolicies(ctx, c, &client.ListOptions{Namespace: namespace})
}

// allPolicies are the policies of every namespace. They are the cache's own.
func allPolicies(ctx context.Context, c client.Reader) ([]v1alpha1.Policy, error) {
	return listPolicies(ctx, c, &client.ListOptions{})
}

// listPolicies lists every ClusterPropagationPolicy, and the PropagationPolicies that local finds; none when
// local is nil.
func listPolicies(ctx context.Context, c client.Reader, local *client.ListOptions) ([]v1alpha1.Policy, error) {
	var everywhere v1alpha1.ClusterPropagationPolicyList
	if err := c.List(ctx, &everywhere, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing cluster propagation policies: %w", err)
	}
	var namespaced v1alpha1.PropagationPolicyList
	if local != nil {
		if err := c.List(ctx, &namespaced, local, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing propagation policies: %w", err)
		}
	}
	return join(namespaced.Items, everywhere.Items), nil
}

func join(local []v1alpha1.PropagationPolicy, global []v1alpha1.ClusterPropagationPolicy) []v1alpha1.Policy {
	policies := make([]v1alpha1.Policy, 0, len(local)+len(global))
	for i := range local {
		policies = append(policies, &local[i])
	}
	for i := range global {
		policies = append(policies, &global[i])
	}
	return policies
}
