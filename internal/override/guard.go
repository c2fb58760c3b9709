package override

import (
	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// guard is what no override changes of an object.
type guard struct {
	identity identity
	// rights are what an object of RBAC grants, and to whom; nil for others.
	rights map[string]any
}

type identity struct{ apiVersion, kind, namespace, name string }

func identityOf(obj *unstructured.Unstructured) identity {
	return identity{obj.GetAPIVersion(), obj.GetKind(), obj.GetNamespace(), obj.GetName()}
}

func guardOf(obj *unstructured.Unstructured) guard {
	return guard{identity: identityOf(obj), rights: runtime.DeepCopyJSON(rightsOf(obj))}
}

// rightsOf is the part of an object of RBAC that grants rights.
func rightsOf(obj *unstructured.Unstructured) map[string]any {
	if obj.GroupVersionKind().Group != rbacv1.GroupName {
		return nil
	}
	rights := map[string]any{}
	for _, field := range []string{"rules", "aggregationRule", "roleRef", "subjects"} {
		if value, exists := obj.Object[field]; exists {
			rights[field] = value
		}
	}
	return rights
}

// check says what an object has become another in.
func (g guard) check(obj *unstructured.Unstructured) error {
	switch {
	case identityOf(obj) != g.identity:
		return ErrIdentity
	case g.rights != nil && !apiequality.Semantic.DeepEqual(g.rights, rightsOf(obj)):
		return ErrRights
	}
	return nil
}
