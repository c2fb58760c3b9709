package wrapping

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/render"
)

// facts are what is known about one wrapper.
type facts struct {
	wrapper *unstructured.Unstructured
	// template is the object in it.
	template *unstructured.Unstructured
	// holder is the wrapper that counts among those of the same object.
	holder *unstructured.Unstructured
	// native is true when the host has such an object, too.
	native bool
	now    time.Time
}

// accepted is the condition of a wrapper.
func accepted(f facts, have []metav1.Condition) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse,
		ObservedGeneration: f.wrapper.GetGeneration(), LastTransitionTime: metav1.NewTime(f.now),
	}
	what := fmt.Sprintf("%s %s", f.template.GetKind(), f.template.GetName())
	size := sizeOf(f.wrapper)
	switch {
	case !policymatch.Allowed(policymatch.Of(f.template.GroupVersionKind(), f.template)):
		c.Reason, c.Message = v1alpha1.ReasonNotATemplate, what+" is never propagated: each cluster makes its own, or it belongs to the system"
	case f.holder != nil && f.holder.GetUID() != f.wrapper.GetUID():
		c.Reason, c.Message = v1alpha1.ReasonDuplicate, fmt.Sprintf("%s is wrapped in the older %s %s, too, which counts: delete one of them", what, f.holder.GetKind(), f.holder.GetName())
	case size > render.MaxSize:
		c.Reason, c.Message = v1alpha1.ReasonManifestTooLarge, fmt.Sprintf("the manifest has %d bytes of JSON, at most %d can be given to a member", size, render.MaxSize)
	case f.native:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonHidesHostObject
		c.Message = fmt.Sprintf("the host has a %s, too: what is wrapped is what members get, and the host's own stays on the host", what)
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonWrapped, "policies see "+what
	}
	if before := meta.FindStatusCondition(have, c.Type); before != nil && before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	}
	return c
}

// sizeOf is how many bytes of JSON are wrapped; 0 for what is no JSON, which cannot be in a cache of JSON.
func sizeOf(wrapper *unstructured.Unstructured) int {
	manifest, _, err := unstructured.NestedFieldNoCopy(wrapper.Object, "spec", "manifest")
	if err != nil {
		return 0
	}
	encoded, err := json.Marshal(manifest)
	if err != nil {
		return 0
	}
	return len(encoded)
}
