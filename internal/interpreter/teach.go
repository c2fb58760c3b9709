package interpreter

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/bundled"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// OnChange calls f after Teach with the kinds whose meaning changed. f must not block. Register before Teach is called
// for the second time; the first time is before anything was interpreted.
func (i *Interpreter) OnChange(f func(changed []v1alpha1.InterpreterTarget)) {
	i.listeners = append(i.listeners, f)
}

// Teach replaces everything that users teach, at once. A meaning that stays is passed as the same pointer again. Calls
// must not overlap; everything else may go on meanwhile.
func (i *Interpreter) Teach(before, after []*taught.Meaning) *taught.Table {
	table := taught.NewTable(after...)
	i.taught.Store(table)
	var changed []v1alpha1.InterpreterTarget
	for _, pair := range [][2][]*taught.Meaning{{before, after}, {after, before}} {
		for _, m := range pair[0] {
			if !slices.Contains(pair[1], m) && !slices.Contains(changed, m.Target) {
				changed = append(changed, m.Target)
			}
		}
	}
	if len(changed) == 0 {
		return table
	}
	for _, f := range i.listeners {
		f(changed)
	}
	return table
}

// meaning is what is taught of an object's kind, by users or, for kinds that are not native, by a bundled interpreter;
// nil for nothing.
func (i *Interpreter) meaning(obj *unstructured.Unstructured, operation taught.Operation) *taught.Meaning {
	gvk := obj.GroupVersionKind()
	if m := i.taught.Load().Find(gvk, operation); m != nil {
		return m
	}
	if i.native(gvk.GroupKind()) {
		return nil
	}
	return bundled.Table().Find(gvk, operation)
}

// Origin says, for people, where the meaning of an operation comes from for an object's kind.
func (i *Interpreter) Origin(obj *unstructured.Unstructured, operation taught.Operation) string {
	m := i.meaning(obj, operation)
	switch {
	case m != nil && i.taught.Load().Find(obj.GroupVersionKind(), operation) == m:
		return "ResourceInterpreter " + m.Name
	case m != nil:
		return "bundled ResourceInterpreter " + m.Name
	case i.native(kindOf(obj)):
		return "native"
	default:
		return "convention"
	}
}

// native tells whether Flotilla itself knows a kind.
func (i *Interpreter) native(kind schema.GroupKind) bool {
	_, known := i.health[kind]
	return known
}

// taughtDependencies are the objects that an object of a taught kind needs, and the specs of its pods, whose
// dependencies are its own.
func (i *Interpreter) taughtDependencies(obj *unstructured.Unstructured) (named []taught.Dependency, pods []*corev1.PodSpec, err error) {
	if m := i.meaning(obj, taught.Dependencies); m != nil {
		if named, err = m.Dependencies(obj); err != nil {
			return nil, nil, err
		}
	}
	m := i.meaning(obj, taught.Replicas)
	if m == nil {
		return named, nil, nil
	}
	parts, err := m.Pods(obj)
	if err != nil {
		return nil, nil, err
	}
	for _, part := range parts {
		if part.Spec != nil {
			pods = append(pods, part.Spec)
		}
	}
	return named, pods, nil
}
