package proof

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Presence is what the host itself says of a template.
type Presence int

// What the host can say. Nothing but Gone is a reason to give something up.
const (
	// Unserved is the answer of a host that does not serve the kind (at the moment, in this version): it says nothing of the object.
	Unserved Presence = iota
	// Present is that of one that has the object, or another one of its kind and name.
	Present
	// Gone is that of one that serves the kind, and has no object of that name.
	Gone
)

// OfTemplate asks the host whether it has a template, or what wraps it. live must not be a cache: an object that a cache does not show may not
// have reached it. With an error it is Unserved.
func OfTemplate(ctx context.Context, live client.Reader, template v1alpha1.ObjectReference) (Presence, error) {
	holder := template.Holder()
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(holder.GroupVersionKind())
	err := live.Get(ctx, holder.Key(), object)
	switch {
	case err == nil:
		return Present, nil
	case kindNotServed(err):
		return Unserved, nil
	case apierrors.IsNotFound(err):
		return Gone, nil
	default:
		return Unserved, fmt.Errorf("asking the host for %s %s: %w", template.Kind, template.Key(), err)
	}
}

// kindNotServed tells the host's answer "no such kind" from "no such object".
func kindNotServed(err error) bool {
	return meta.IsNoMatchError(err) ||
		apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}
