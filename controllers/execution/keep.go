package execution

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/manifest"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/override"
	"github.com/flotilla-dev/flotilla/internal/render"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// keep makes the member hold the template's current manifest.
func (w *worker) keep(ctx context.Context, binding v1alpha1.Binding) (reconcile.Result, error) {
	if !described(binding) {
		return reconcile.Result{}, nil // propagation leads back here
	}
	resource := binding.BindingSpec().Resource
	template, found, err := w.template(resource)
	if errors.Is(err, objectcache.ErrNotSynced) || (err == nil && !found) {
		return reconcile.Result{}, nil // the end of the templates' first list, or the binding's end, leads back here
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	observed, accepted, known, err := w.known(ctx, resource)
	if err != nil || !known {
		return w.refused(binding, nil, err)
	}
	rendered, err := w.render(ctx, binding, template)
	var failed *override.Error
	switch {
	case errors.As(err, &failed):
		said := pending(observed, v1alpha1.ReasonOverrideFailed, conditions.Shorten(err.Error(), maxMessage))
		said.Override = failed.Policy.String()
		w.post(binding, said)
		return reconcile.Result{}, nil // only a change of the template, the policy or the Cluster can help
	case err != nil:
		w.post(binding, pending(observed, v1alpha1.ReasonRenderFailed, conditions.Shorten(err.Error(), maxMessage)))
		return reconcile.Result{}, nil // only a change of the template or the decision can help
	}
	j := job{binding: binding, template: template, rendered: rendered, observed: observed}
	facts := applyplan.Facts{
		Binding:  client.ObjectKeyFromObject(binding).String(),
		Wanted:   true,
		Rules:    w.rules(ctx, binding, observed),
		Desired:  j.desired(),
		Live:     liveOf(observed),
		Accepted: accepted,
	}
	if facts, err = w.complete(ctx, j, facts); err != nil {
		return w.refused(binding, observed, err)
	}
	return w.carryOut(ctx, j, applyplan.Decide(facts))
}

// job is one object that a binding wants of the member.
type job struct {
	binding  v1alpha1.Binding
	template *unstructured.Unstructured
	rendered render.Rendered
	observed *membercluster.Observed
}

func (j job) desired() applyplan.Desired {
	desired := applyplan.Desired{Manifest: j.rendered.Object.Object, Hash: j.rendered.Hash}
	if j.rendered.Initial != nil {
		desired.Initial, desired.Left = j.rendered.Initial.Object, j.rendered.Left
	}
	return desired
}

func (w *worker) carryOut(ctx context.Context, j job, d applyplan.Decision) (reconcile.Result, error) {
	switch d.Action {
	case applyplan.Refuse:
		reason, message := refusal(j, d.Reason)
		w.post(j.binding, report.Report{Reason: reason, Message: message})
		return reconcile.Result{RequeueAfter: recheckRefused}, nil
	case applyplan.Wait:
		w.post(j.binding, pending(j.observed, v1alpha1.ReasonApplying, "the member is still deleting an older object of this name"))
		// The end of an object of ours leads back here. That of a foreign one, or of one that lost its label, nobody sees.
		return reconcile.Result{RequeueAfter: recheckRemoving}, nil
	case applyplan.Hold:
		return w.hold(j, d), nil
	case applyplan.Create, applyplan.Update, applyplan.Mark:
		log.FromContext(ctx).V(1).Info("Applying", "kind", j.rendered.Object.GetKind(), "reason", d.Reason)
		if wait := w.drifts.wait(j.rendered.Object, d.Reason); wait > 0 {
			return reconcile.Result{RequeueAfter: wait}, nil
		}
		write := w.apply
		if d.Action == applyplan.Mark {
			write = w.adopt
		}
		observed, err := write(ctx, j)
		if err != nil {
			return w.refused(j.binding, j.observed, err)
		}
		w.countChange(d)
		if d == (applyplan.Decision{Action: applyplan.Mark, Reason: applyplan.Recalled}) {
			// Nothing else has become of it, and the mark leads back here; the timer is for a watch that broke and cannot tell.
			return reconcile.Result{RequeueAfter: recheckForgotten}, nil
		}
		j.observed = observed
		w.refusals.over(client.ObjectKeyFromObject(j.binding))
	}
	w.timeArrival(j, d.Action != applyplan.Nothing)
	said := applied(j.observed, j.template.GetGeneration())
	if d.Reason == applyplan.DriftReported {
		drift, err := w.drift(ctx, j)
		if err != nil {
			return w.refused(j.binding, j.observed, err)
		}
		said.Drift = drift
	}
	w.post(j.binding, said)
	return reconcile.Result{}, nil
}

// hold leaves an object as it is, although another manifest is wanted.
func (w *worker) hold(j job, d applyplan.Decision) reconcile.Result {
	w.timeArrival(j, false)
	if d.Reason == applyplan.Unremembered {
		w.post(j.binding, pending(j.observed, v1alpha1.ReasonUnremembered, newerMessage))
		return reconcile.Result{RequeueAfter: recheckForgotten}
	}
	reason, message := withheld(j.binding.BindingSpec(), w.member.Name)
	w.post(j.binding, pending(j.observed, reason, message))
	return reconcile.Result{} // the end of the suspension leads back here
}

// apply applies a manifest. What is left to the member is repeated as it was read, so somebody may have changed it since:
// the member says so, and is asked again.
func (w *worker) apply(ctx context.Context, j job) (*membercluster.Observed, error) {
	observed, err := w.send(ctx, j)
	if !j.repeats() || !apierrors.IsConflict(err) {
		return observed, err
	}
	resource := j.binding.BindingSpec().Resource
	newest, readErr := w.member.Refresh(ctx, resource.GroupVersionKind(), resource.Key())
	if readErr != nil || newest == nil || newest.UID != j.observed.UID || !newest.Live.Ours {
		return nil, err // another object: to be decided anew
	}
	j.observed = newest
	return w.send(ctx, j)
}

// adopt makes an object of another host, or one that this host has forgotten, this one's, and leaves what is the member's as it is.
func (w *worker) adopt(ctx context.Context, j job) (*membercluster.Observed, error) {
	return w.member.Mark(ctx, j.observed, w.mark(j))
}

// repeats says whether the manifest repeats what the member has.
func (j job) repeats() bool { return j.observed != nil && len(j.rendered.Left) > 0 }

// send applies a manifest once, and creates its namespace first where the member lacks it.
func (w *worker) send(ctx context.Context, j job) (*membercluster.Observed, error) {
	manifest := w.stamped(j, j.desired().Content(liveOf(j.observed)))
	if j.repeats() {
		manifest.SetResourceVersion(j.observed.ResourceVersion)
	}
	observed, err := w.member.Apply(ctx, manifest, j.rendered.Hash, j.observed)
	if !lacksNamespace(err) {
		return observed, err
	}
	if err := w.member.EnsureNamespace(ctx, manifest.GetNamespace()); err != nil {
		return nil, err
	}
	return w.member.Apply(ctx, manifest, j.rendered.Hash, j.observed)
}

func lacksNamespace(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces"
}

// render makes the manifest for this member.
func (w *worker) render(ctx context.Context, binding v1alpha1.Binding, template *unstructured.Unstructured) (render.Rendered, error) {
	policies, err := w.overrides.of(ctx, template.GetNamespace())
	if err != nil {
		return render.Rendered{}, err
	}
	cluster := &v1alpha1.Cluster{}
	if err := w.host.Get(ctx, client.ObjectKey{Name: w.member.Name}, cluster, client.UnsafeDisableDeepCopy); err != nil {
		return render.Rendered{}, fmt.Errorf("reading Cluster %s: %w", w.member.Name, err)
	}
	return manifest.Make(manifest.Order{
		Template: template, Binding: binding, Cluster: cluster, Overrides: policies, HostUID: w.HostUID,
	}, w.Interpreter)
}

func (d *dispatcher) template(resource v1alpha1.ObjectReference) (*unstructured.Unstructured, bool, error) {
	obj, found, err := d.Templates.Get(resource.GroupVersionKind(), resource.Key())
	if err != nil || !found {
		return nil, false, err
	}
	template, ok := obj.(*unstructured.Unstructured)
	return template, ok, nil
}

// known is what the member holds under the template's name. Where the watch shows nothing, the member
// itself is asked: what is there may be foreign. It is not known (false) while the watch's first list is
// under way; the end of that leads back here.
func (w *worker) known(ctx context.Context, resource v1alpha1.ObjectReference) (*membercluster.Observed, *applyplan.Accepted, bool, error) {
	gvk, key := resource.GroupVersionKind(), resource.Key()
	w.member.Objects.Watch(gvk)
	observed, accepted, err := w.member.Known(gvk, key)
	if errors.Is(err, objectcache.ErrNotSynced) {
		return nil, nil, false, w.member.Objects.State(gvk).Err
	}
	if err != nil {
		return nil, nil, false, err
	}
	if observed == nil {
		observed, err = w.member.Read(ctx, gvk, key)
	}
	return observed, accepted, err == nil, err
}

func liveOf(observed *membercluster.Observed) *applyplan.Live {
	if observed == nil {
		return nil
	}
	return &observed.Live
}
