package interpreting

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// Understanding is what Flotilla understands of one object.
type Understanding struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`

	// Replicas of an object that can be divided, and what one of them needs.
	Replicas     *int32                        `json:"replicas,omitempty"`
	Requirements *v1alpha1.ReplicaRequirements `json:"requirements,omitempty"`
	// Components of an object that has several kinds of pods.
	Components []v1alpha1.Component `json:"components,omitempty"`
	// Health as if the object was a member's.
	Health v1alpha1.Health `json:"health"`
	// Status is what of its status would be brought to the host, UpToDate whether it speaks of the newest generation.
	Status   map[string]any `json:"status,omitempty"`
	UpToDate bool           `json:"upToDate"`
	// Dependencies go where it goes.
	Dependencies []Dependency `json:"dependencies,omitempty"`
	// Origins say where the meaning of each operation comes from.
	Origins map[taught.Operation]string `json:"origins"`
	// Errors of ResourceInterpreters.
	Errors []string `json:"errors,omitempty"`
}

// Dependency is an object that goes where another one goes.
type Dependency struct {
	APIVersion    string                `json:"apiVersion"`
	Kind          string                `json:"kind"`
	Name          string                `json:"name,omitempty"`
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

func (u Understanding) title() string {
	if u.Namespace == "" {
		return u.Kind + " " + u.Name
	}
	return u.Kind + " " + u.Namespace + "/" + u.Name
}

func understand(kinds *interpreter.Interpreter, object *unstructured.Unstructured) Understanding {
	u := Understanding{
		APIVersion: object.GetAPIVersion(), Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName(),
		Origins: map[taught.Operation]string{},
	}
	for _, operation := range taught.Operations {
		u.Origins[operation] = kinds.Origin(object, operation)
	}
	var err error
	if u.Replicas, u.Requirements, err = kinds.Replicas(object); err != nil {
		u.fail(err)
	}
	if u.Components, err = kinds.Components(object); err != nil {
		u.fail(err)
	}
	if u.Health, err = kinds.Judge(object); err != nil {
		u.fail(err)
	}
	u.Status, u.UpToDate = kinds.Reflect(object)
	u.Dependencies, err = dependencies(kinds, object)
	if err != nil {
		u.fail(err)
	}
	return u
}

// fail notes an error once: one expression may serve several questions.
func (u *Understanding) fail(err error) {
	if !slices.Contains(u.Errors, err.Error()) {
		u.Errors = append(u.Errors, err.Error())
	}
}

// dependencies takes an object of a file without a namespace for one in the namespace "default", as kubectl does.
func dependencies(kinds *interpreter.Interpreter, object *unstructured.Unstructured) ([]Dependency, error) {
	if object.GetNamespace() == "" {
		object = object.DeepCopy()
		object.SetNamespace(metav1.NamespaceDefault)
	}
	found, err := kinds.Dependencies(object)
	if err != nil {
		return nil, fmt.Errorf("finding what it depends on: %w", err)
	}
	var list []Dependency
	for _, d := range found {
		list = append(list, Dependency{APIVersion: d.APIVersion, Kind: d.Kind, Name: d.Name, LabelSelector: d.Selector})
	}
	return list, nil
}
