package dependencies

import (
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// object names one object on the host.
type object struct {
	gvk schema.GroupVersionKind
	key types.NamespacedName
}

// interest is what an owner looks for.
type interest struct {
	// named are objects by their names, which may not exist.
	named sets.Set[object]
	// kinds are those of which every object of the owner's namespace is looked at.
	kinds sets.Set[schema.GroupVersionKind]
	// wants says whether one of them is what is looked for.
	wants func(*unstructured.Unstructured) bool
}

// Interests remembers what each owner looks for, so that an object that comes, changes or goes leads to the owners that it
// matters to. It is safe for concurrent use.
type Interests struct {
	mu     sync.RWMutex
	owners map[types.NamespacedName]interest
	named  map[object]sets.Set[types.NamespacedName]
	within map[string]sets.Set[types.NamespacedName] // by namespace
	kinds  map[schema.GroupVersionKind]int           // how many owners look for the kind
}

// NewInterests remembers nothing yet.
func NewInterests() *Interests {
	return &Interests{
		owners: map[types.NamespacedName]interest{}, named: map[object]sets.Set[types.NamespacedName]{},
		within: map[string]sets.Set[types.NamespacedName]{}, kinds: map[schema.GroupVersionKind]int{},
	}
}

// Needed says whether some owner looks for objects of a kind.
func (s *Interests) Needed(gvk schema.GroupVersionKind) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.kinds[gvk] > 0
}

// set replaces what an owner looks for. The caller does not change it any more.
func (s *Interests) set(owner types.NamespacedName, wanted interest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(owner)
	s.owners[owner] = wanted
	insert(s.within, owner.Namespace, owner)
	for o := range wanted.named {
		insert(s.named, o, owner)
	}
	for gvk := range wanted.all() {
		s.kinds[gvk]++
	}
}

// forget drops what an owner looked for.
func (s *Interests) forget(owner types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(owner)
}

func (s *Interests) drop(owner types.NamespacedName) {
	old, known := s.owners[owner]
	if !known {
		return
	}
	delete(s.owners, owner)
	remove(s.within, owner.Namespace, owner)
	for o := range old.named {
		remove(s.named, o, owner)
	}
	for gvk := range old.all() {
		if s.kinds[gvk]--; s.kinds[gvk] == 0 {
			delete(s.kinds, gvk)
		}
	}
}

// in are the owners that an object matters to.
func (s *Interests) in(gvk schema.GroupVersionKind, obj *unstructured.Unstructured) []types.NamespacedName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.kinds[gvk] == 0 {
		return nil
	}
	found := s.named[object{gvk, types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}}].UnsortedList()
	for owner := range s.within[obj.GetNamespace()] {
		if wanted := s.owners[owner]; wanted.kinds.Has(gvk) && wanted.wants(obj) {
			found = append(found, owner)
		}
	}
	return found
}

// of are the owners that look for objects of a kind.
func (s *Interests) of(gvk schema.GroupVersionKind) []types.NamespacedName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []types.NamespacedName
	if s.kinds[gvk] == 0 {
		return nil
	}
	for owner, wanted := range s.owners {
		if wanted.all().Has(gvk) {
			found = append(found, owner)
		}
	}
	return found
}

// all are the kinds of everything that is looked for.
func (i interest) all() sets.Set[schema.GroupVersionKind] {
	kinds := i.kinds.Clone()
	for o := range i.named {
		kinds.Insert(o.gvk)
	}
	return kinds
}

func insert[key comparable](index map[key]sets.Set[types.NamespacedName], k key, owner types.NamespacedName) {
	if index[k] == nil {
		index[k] = sets.New[types.NamespacedName]()
	}
	index[k].Insert(owner)
}

func remove[key comparable](index map[key]sets.Set[types.NamespacedName], k key, owner types.NamespacedName) {
	index[k].Delete(owner)
	if len(index[k]) == 0 {
		delete(index, k)
	}
}
