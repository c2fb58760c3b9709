package membercluster

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

// Observed is what the manager keeps of a member's object: its marks, the values that Flotilla owns, and
// what the interpreter makes of its status. A whole object would be several times as large, and members
// hold as many of them as there are bindings.
type Observed struct {
	metav1.ObjectMeta
	// Kind of the object.
	Kind schema.GroupVersionKind
	// Live is what a decision about the object needs.
	Live applyplan.Live
	// Health is the interpreter's verdict.
	Health v1alpha1.Health
	// Ready is how many of its replicas are ready; Counted is false for kinds without replicas.
	Ready   int32
	Counted bool
	// Status is the JSON of what the interpreter reflects; empty for none.
	Status string
	// UpToDate is true when the member's controllers have seen the object's current generation.
	UpToDate bool
}

// observer turns members' objects into Observed ones.
type observer struct {
	hostUID     string
	interpreter *interpreter.Interpreter
}

// transform is the observer as an informer's transform; it passes what is already transformed.
func (o observer) transform(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil
	}
	return o.observe(u)
}

// owns says whether an object carries this host's marks.
func (o observer) owns(u *unstructured.Unstructured) bool {
	return u.GetLabels()[v1alpha1.ManagedLabel] == "true" && u.GetAnnotations()[v1alpha1.HostAnnotation] == o.hostUID
}

// otherHost says whether an object carries another host's marks.
func (o observer) otherHost(u *unstructured.Unstructured) bool {
	host := u.GetAnnotations()[v1alpha1.HostAnnotation]
	return u.GetLabels()[v1alpha1.ManagedLabel] == "true" && host != "" && host != o.hostUID
}

func (o observer) observe(u *unstructured.Unstructured) (*Observed, error) {
	owned, err := applyplan.Owned(u, applyplan.FieldManager)
	if err != nil {
		return nil, err
	}
	annotations := u.GetAnnotations()
	observed := &Observed{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(),
		},
		Kind: u.GroupVersionKind(),
		Live: applyplan.Live{
			UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(),
			Ours: o.owns(u), OtherHost: o.otherHost(u),
			Binding: annotations[v1alpha1.BindingAnnotation], Hash: annotations[v1alpha1.HashAnnotation],
			Host: annotations[v1alpha1.HostAnnotation], Written: annotations[v1alpha1.WrittenAnnotation],
			Owned: owned, Deleting: u.GetDeletionTimestamp() != nil,
		},
		Health: o.interpreter.Health(u),
	}
	observed.Ready, observed.Counted = o.interpreter.Ready(u, observed.Health)
	status, upToDate := o.interpreter.Reflect(u)
	observed.UpToDate = upToDate
	if len(status) == 0 {
		return observed, nil
	}
	text, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding the status of %s: %w", u.GetName(), err)
	}
	observed.Status = string(text)
	return observed, nil
}
