package propagation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// tell says in a binding's condition TemplateOnly when its template is more than a template, and in Interpreted when the
// interpreter cannot make sense of it. It writes only what differs; in a template namespace that is most often nothing.
func (r *Reconciler) tell(ctx context.Context, binding v1alpha1.Binding, f facts) error {
	namespace, known, err := r.namespace(ctx, binding.GetNamespace())
	if err != nil || !known {
		return err
	}
	misread := f.workload.err
	have := binding.BindingStatus().Conditions
	host, understood := meta.FindStatusCondition(have, v1alpha1.ConditionTemplateOnly), meta.FindStatusCondition(have, v1alpha1.ConditionInterpreted)
	wantHost, wantUnderstood := templateOnly(namespace, host, r.clock.Now()), interpreted(misread, understood, r.clock.Now())
	if f.wrapper != "" {
		wantHost = nil // what is wrapped is never anything else than a template
	}
	if sameCondition(host, wantHost) && sameCondition(understood, wantUnderstood) {
		return nil
	}
	status := v1alpha1.BindingStatus{}
	for _, want := range []*metav1.Condition{wantHost, wantUnderstood} {
		if want != nil {
			status.Conditions = append(status.Conditions, *want)
		}
	}
	version, err := objectpatch.ApplyStatusVersion(ctx, r.client, binding, objectpatch.PropagationOwner, &status)
	if err != nil {
		return client.IgnoreNotFound(err) // deleted meanwhile
	}
	r.writes.Wrote(client.ObjectKeyFromObject(binding), version)
	return nil
}

// namespace reads the template's namespace; nil for a cluster-scoped template. known is false for a namespace
// that the cache does not hold yet: its arrival brings its bindings back.
func (r *Reconciler) namespace(ctx context.Context, name string) (namespace *corev1.Namespace, known bool, err error) {
	if name == "" {
		return nil, true, nil
	}
	namespace = &corev1.Namespace{}
	err = r.client.Get(ctx, types.NamespacedName{Name: name}, namespace, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return namespace, true, nil
}

// templateOnly is the condition of a binding whose template lies in a namespace, nil for a cluster-scoped one.
// In a template namespace all is as it should be, and there is no condition.
func templateOnly(namespace *corev1.Namespace, have *metav1.Condition, now time.Time) *metav1.Condition {
	c := &metav1.Condition{Type: v1alpha1.ConditionTemplateOnly, Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(now)}
	switch {
	case namespace == nil:
		c.Reason = v1alpha1.ReasonClusterScoped
		c.Message = "the template is cluster-scoped, so that it also exists on the host"
	case namespace.Labels[v1alpha1.TemplatesLabel] == v1alpha1.TemplatesEnabled:
		return nil
	default:
		c.Reason = v1alpha1.ReasonRunsOnHost
		c.Message = fmt.Sprintf("the template also runs on the host, and its status there is the host's own: "+
			"label the namespace with %s=%s to make what is in it templates only", v1alpha1.TemplatesLabel, v1alpha1.TemplatesEnabled)
	}
	if have != nil && have.Status == c.Status {
		c.LastTransitionTime = have.LastTransitionTime
	}
	return c
}

func sameCondition(have, want *metav1.Condition) bool {
	if have == nil || want == nil {
		return have == want
	}
	return have.Status == want.Status && have.Reason == want.Reason && have.Message == want.Message
}
