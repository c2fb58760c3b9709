package dependencies

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// found is what goes along with an owner's template.
type found struct {
	objects map[object]types.UID
	// unknown are the kinds of which it cannot be told what there is.
	unknown sets.Set[schema.GroupVersionKind]
	// sought is what was looked for.
	sought interest
	// blind says that something that went along so far cannot be seen, nor what it needs: nothing is given up then.
	blind bool
	// hidden is what cannot be seen, and why, for logs; empty for nothing.
	hidden string
}

// search finds what goes along with one template.
type search struct {
	templates   Templates
	interpreter Interpreter
	owner       types.NamespacedName
	template    *unstructured.Unstructured
	// attached are the bindings of what went along so far.
	attached  sets.Set[types.NamespacedName]
	selectors []selection
	interest  interest
	found     found
}

// selection is every object of a kind that a selector matches.
type selection struct {
	gvk      schema.GroupVersionKind
	selector labels.Selector
}

// gather finds what goes along with an owner's template: what it needs, what that needs in turn, and what follows it. What
// is looked for is remembered before it is looked for, so that nothing that appears meanwhile is missed.
func (r *Reconciler) gather(owner types.NamespacedName, template *unstructured.Unstructured, attached []v1alpha1.Binding) (found, error) {
	s := &search{templates: r.templates, interpreter: r.interpreter, owner: owner, template: template, attached: sets.New[types.NamespacedName]()}
	for _, binding := range attached {
		s.attached.Insert(client.ObjectKeyFromObject(binding))
	}
	named := sets.New[object]()
	if err := s.add(named, template); err != nil {
		return found{}, err
	}
	for {
		s.interest = interest{named: named.Clone(), kinds: sets.New[schema.GroupVersionKind]()}
		s.interest.kinds.Insert(s.interpreter.Followers(template)...)
		for _, selected := range s.selectors {
			s.interest.kinds.Insert(selected.gvk)
		}
		s.interest.wants = s.wants()
		r.interests.set(owner, s.interest)
		size, selections := len(named), len(s.selectors)
		if err := s.look(named); err != nil {
			return found{}, err
		}
		if len(named) == size && len(s.selectors) == selections {
			s.found.sought = s.interest
			return s.found, nil
		}
	}
}

// add notes what an object needs.
func (s *search) add(named sets.Set[object], obj *unstructured.Unstructured) error {
	dependencies, err := s.interpreter.Dependencies(obj)
	if err != nil {
		return fmt.Errorf("finding what %s %s needs: %w", obj.GetKind(), obj.GetName(), err)
	}
	for _, d := range dependencies {
		if !policymatch.KindAllowed(d.GroupVersionKind().GroupKind()) {
			continue
		}
		if d.Selector == nil {
			named.Insert(object{d.GroupVersionKind(), types.NamespacedName{Namespace: s.owner.Namespace, Name: d.Name}})
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(d.Selector)
		if err != nil {
			return fmt.Errorf("reading a selector of what %s %s needs: %w", obj.GetKind(), obj.GetName(), err)
		}
		s.match(selection{d.GroupVersionKind(), selector})
	}
	return nil
}

func (s *search) match(wanted selection) {
	for _, known := range s.selectors {
		if known.gvk == wanted.gvk && known.selector.String() == wanted.selector.String() {
			return
		}
	}
	s.selectors = append(s.selectors, wanted)
}

// wants tells of objects of the kinds that are looked at as a whole.
func (s *search) wants() func(*unstructured.Unstructured) bool {
	interpreter, template, selectors := s.interpreter, s.template, s.selectors[:len(s.selectors):len(s.selectors)]
	return func(obj *unstructured.Unstructured) bool {
		for _, selected := range selectors {
			if obj.GroupVersionKind() == selected.gvk && selected.selector.Matches(labels.Set(obj.GetLabels())) {
				return true
			}
		}
		return interpreter.Follows(obj, template)
	}
}

// look looks for everything that the interest names, and adds to named what is found to be needed in turn.
func (s *search) look(named sets.Set[object]) error {
	s.found = found{objects: map[object]types.UID{}, unknown: sets.New[schema.GroupVersionKind]()}
	for o := range s.interest.named {
		s.templates.Watch(o.gvk)
		obj, exists, err := s.templates.Get(o.gvk, o.key)
		if err == nil && exists {
			err = s.take(named, o.gvk, obj)
		}
		if err := s.cannotTell(o.gvk, err); err != nil {
			return err
		}
	}
	for gvk := range s.interest.kinds {
		s.templates.Watch(gvk)
		known, incomplete := s.templates.ListIn(gvk, s.owner.Namespace)
		if err := s.choose(named, gvk, known); err != nil {
			return err
		}
		if err := s.cannotTell(gvk, incomplete); err != nil {
			return err
		}
	}
	return nil
}

// choose takes what is wanted of the objects of a kind.
func (s *search) choose(named sets.Set[object], gvk schema.GroupVersionKind, all []any) error {
	for _, obj := range all {
		if template, ok := obj.(*unstructured.Unstructured); ok && s.interest.wants(template) {
			if err := s.take(named, gvk, template); err != nil {
				return err
			}
		}
	}
	return nil
}

// cannotTell notes a kind of which it cannot be told what there is. Other errors are returned.
func (s *search) cannotTell(gvk schema.GroupVersionKind, err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, objectcache.ErrNotSynced) {
		return fmt.Errorf("looking for objects of kind %s: %w", gvk.Kind, err)
	}
	s.found.unknown.Insert(gvk)
	return nil
}

// take notes an object that goes along, and what it needs in turn.
func (s *search) take(named sets.Set[object], gvk schema.GroupVersionKind, cached any) error {
	obj, ok := cached.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("the cache holds a %T", cached)
	}
	key := bindingKey(gvk, obj.GetNamespace(), obj.GetName())
	if !portable(gvk, obj) || key == s.owner {
		return nil
	}
	if obj.GetDeletionTimestamp() != nil && !s.attached.Has(key) {
		return nil // while something holds it, so do members; but it comes to no new ones
	}
	s.found.objects[object{gvk, types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}}] = obj.GetUID()
	return s.add(named, obj)
}

// portable says whether an object means something in another cluster. Who made it does not matter, because it was asked for
// by name; but a token of the host's is worth nothing elsewhere, and nobody else's business.
func portable(gvk schema.GroupVersionKind, obj *unstructured.Unstructured) bool {
	if gvk.GroupKind() == (schema.GroupKind{Kind: "Secret"}) && obj.Object["type"] == "kubernetes.io/service-account-token" {
		return false
	}
	template := policymatch.Of(gvk, obj)
	template.Controlled = false
	return policymatch.Allowed(template)
}

// bindingKey names the binding of an object.
func bindingKey(gvk schema.GroupVersionKind, namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: v1alpha1.BindingName(gvk.Group, gvk.Kind, name)}
}
