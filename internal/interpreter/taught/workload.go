package taught

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/podneeds"
)

// maxComponents and maxComponentName are the bounds of a binding's schema.
const maxComponents, maxComponentName = 32, 32

// Pods is one kind of pods that an object asks for.
type Pods struct {
	// Name of the part; empty for an object with one kind of pods.
	Name string
	// Replicas of it.
	Replicas int32
	// Requirements of one of them; nil when they are not taught.
	Requirements *v1alpha1.ReplicaRequirements
	// Spec of them; nil when only their requirements are taught.
	Spec *corev1.PodSpec
}

// Pods are the pods that an object asks for: one entry without a name for an object that can be divided, or one for
// each component.
func (m *Meaning) Pods(object *unstructured.Unstructured) ([]Pods, error) {
	if m.spec.Components != nil {
		return m.parts(object)
	}
	pods := Pods{}
	var err error
	if pods.Replicas, err = m.number(object); err != nil {
		return nil, err
	}
	if err := m.need(object, &pods); err != nil {
		return nil, err
	}
	return []Pods{pods}, nil
}

func (m *Meaning) number(object *unstructured.Unstructured) (int32, error) {
	if m.replicas != nil {
		value, err := m.ofObject(m.replicas, object)
		if err != nil {
			return 0, err
		}
		return count(value)
	}
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, split(m.spec.Replicas.Path)...)
	if err != nil || !found || value == nil {
		if m.spec.Replicas.DefaultValue != nil {
			return *m.spec.Replicas.DefaultValue, nil
		}
		return 1, nil
	}
	replicas, err := count(value)
	if err != nil {
		return 0, m.failed("spec.replicas.path", object, err)
	}
	return replicas, nil
}

// count takes a number for a number of replicas.
func count(value any) (int32, error) {
	n, ok := value.(int64)
	if f, isFloat := value.(float64); isFloat && f == math.Trunc(f) {
		n, ok = int64(f), true
	}
	if !ok {
		return 0, fmt.Errorf("%v is no whole number", value)
	}
	return int32(min(max(n, 0), math.MaxInt32)), nil
}

func (m *Meaning) need(object *unstructured.Unstructured, pods *Pods) error {
	switch {
	case m.requirements != nil:
		value, err := m.ofObject(m.requirements, object)
		if err != nil {
			return err
		}
		fields, _ := value.(map[string]any)
		if err := describe(object.GetNamespace(), fields, pods); err != nil {
			return m.failed(m.requirements.field, object, err)
		}
	case m.spec.Requirements != nil:
		fields, found, err := unstructured.NestedFieldNoCopy(object.Object, split(m.spec.Requirements.PodSpecPath)...)
		if err != nil || !found {
			return nil // the member will say what is wrong with it
		}
		if err := describe(object.GetNamespace(), map[string]any{"podSpec": fields}, pods); err != nil {
			return m.failed("spec.requirements.podSpecPath", object, err)
		}
	}
	return nil
}

func (m *Meaning) parts(object *unstructured.Unstructured) ([]Pods, error) {
	value, err := m.ofObject(m.components, object)
	if err != nil {
		return nil, err
	}
	list, _ := value.([]any)
	if len(list) > maxComponents {
		return nil, m.failed(m.components.field, object, fmt.Errorf("%d components are more than %d", len(list), maxComponents))
	}
	parts, seen := make([]Pods, 0, len(list)), map[string]bool{}
	for i, item := range list {
		part, err := component(object.GetNamespace(), item)
		if err == nil && seen[part.Name] {
			err = fmt.Errorf("the name %q was given already", part.Name)
		}
		if err != nil {
			return nil, m.failed(m.components.field, object, fmt.Errorf("component %d: %w", i, err))
		}
		seen[part.Name] = true
		parts = append(parts, part)
	}
	// What an expression makes of a map comes in any order, and the binding must not change with it.
	slices.SortFunc(parts, func(a, b Pods) int { return strings.Compare(a.Name, b.Name) })
	return parts, nil
}

func component(namespace string, item any) (Pods, error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return Pods{}, errors.New("it is no map")
	}
	part := Pods{Replicas: 1}
	if part.Name, _ = fields["name"].(string); part.Name == "" || len(part.Name) > maxComponentName {
		return Pods{}, fmt.Errorf("its name has to be a string of 1 to %d characters", maxComponentName)
	}
	if replicas, found := fields["replicas"]; found {
		var err error
		if part.Replicas, err = count(replicas); err != nil {
			return Pods{}, fmt.Errorf("replicas: %w", err)
		}
	}
	return part, describe(namespace, fields, &part)
}

// described is what an expression may say of pods instead of their spec.
type described struct {
	Requests          corev1.ResourceList `json:"requests,omitempty"`
	NodeSelector      map[string]string   `json:"nodeSelector,omitempty"`
	Tolerations       []corev1.Toleration `json:"tolerations,omitempty"`
	PriorityClassName string              `json:"priorityClassName,omitempty"`
}

// describe adds what pods need, from their spec or from a description.
func describe(namespace string, fields map[string]any, pods *Pods) error {
	if spec, found := fields["podSpec"]; found && spec != nil {
		content, ok := spec.(map[string]any)
		if !ok {
			return errors.New("podSpec: it is no map")
		}
		var err error
		if pods.Spec, err = podneeds.Spec(content); err != nil {
			return err
		}
		pods.Requirements = podneeds.Of(namespace, pods.Spec)
		return nil
	}
	var said described
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &said); err != nil {
		return fmt.Errorf("reading what a replica needs: %w", err)
	}
	pods.Requirements = &v1alpha1.ReplicaRequirements{ResourceRequest: said.Requests, Namespace: namespace, PriorityClassName: said.PriorityClassName}
	if len(said.NodeSelector) > 0 || len(said.Tolerations) > 0 {
		pods.Requirements.NodeClaim = &v1alpha1.NodeClaim{NodeSelector: said.NodeSelector, Tolerations: said.Tolerations}
	}
	return nil
}

// Revisions are the fields that take a cluster's share of the replicas; none for an object with components. The error
// says that the replicas cannot be told, so that there is no share either.
func (m *Meaning) Revisions() ([]v1alpha1.ReviseRule, error) {
	switch {
	case m.spec.Replicas == nil:
		return nil, nil
	case m.replicas != nil && m.replicas.broken != nil:
		return nil, fmt.Errorf("ResourceInterpreter %s cannot be used: %s: %w", m.Name, m.replicas.field, m.replicas.broken)
	case len(m.spec.Revise) > 0:
		return m.spec.Revise, nil
	default:
		return []v1alpha1.ReviseRule{{Path: m.spec.Replicas.Path, Write: v1alpha1.ReviseReplicas}}, nil
	}
}

// split is a path's fields.
func split(path string) []string { return strings.Split(path, ".") }
