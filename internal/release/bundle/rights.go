package bundle

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// rights are rules by ServiceAccount: OLM grants them by roles of its own, in whichever namespace a user chooses.
type rights struct {
	// cluster are those that hold everywhere.
	cluster map[string][]rbacv1.PolicyRule
	// namespaced are those that hold in the namespace of the installation.
	namespaced map[string][]rbacv1.PolicyRule
}

// roles are the roles of config/default by name.
type roles struct {
	cluster    map[string]rbacv1.ClusterRole
	namespaced map[string]rbacv1.Role
}

// grant collects what the accounts may do, and returns the manifests that are still needed beside it: roles that only
// the accounts had are not. An aggregated role stays, with its binding, because others widen it: the rules that it has
// today are granted on top, so that the installation works in any namespace.
func grant(manifests []*unstructured.Unstructured, accounts []string) (rights, []*unstructured.Unstructured, error) {
	known, err := collect(manifests)
	if err != nil {
		return rights{}, nil, err
	}
	granted := rights{cluster: map[string][]rbacv1.PolicyRule{}, namespaced: map[string][]rbacv1.PolicyRule{}}
	spent := map[string]bool{}
	for _, manifest := range manifests {
		if kind := manifest.GetKind(); kind != "ClusterRoleBinding" && kind != "RoleBinding" {
			continue
		}
		var binding rbacv1.RoleBinding // the twins look the same
		if err := typed(manifest, &binding); err != nil {
			return rights{}, nil, err
		}
		account, ours := subject(binding.Subjects, accounts)
		if !ours {
			continue
		}
		rules, aggregated, found := known.rules(binding.RoleRef)
		if !found {
			continue // a role that is not ours, such as one of Kubernetes itself
		}
		target := granted.cluster
		if manifest.GetKind() == "RoleBinding" {
			target = granted.namespaced
		}
		target[account] = append(target[account], rules...)
		if !aggregated {
			spent[key(manifest.GetKind(), manifest.GetName())] = true
			spent[key(binding.RoleRef.Kind, binding.RoleRef.Name)] = true
		}
	}
	left := slices.DeleteFunc(slices.Clone(manifests), func(object *unstructured.Unstructured) bool {
		return spent[key(object.GetKind(), object.GetName())]
	})
	return granted, left, nil
}

func key(kind, name string) string { return kind + "/" + name }

// subject returns the one of the accounts that a binding is for, if it is for nobody else.
func subject(subjects []rbacv1.Subject, accounts []string) (string, bool) {
	if len(subjects) != 1 || subjects[0].Kind != rbacv1.ServiceAccountKind || !slices.Contains(accounts, subjects[0].Name) {
		return "", false
	}
	return subjects[0].Name, true
}

func collect(manifests []*unstructured.Unstructured) (roles, error) {
	found := roles{cluster: map[string]rbacv1.ClusterRole{}, namespaced: map[string]rbacv1.Role{}}
	for _, manifest := range manifests {
		switch manifest.GetKind() {
		case "ClusterRole":
			var role rbacv1.ClusterRole
			if err := typed(manifest, &role); err != nil {
				return roles{}, err
			}
			found.cluster[role.Name] = role
		case "Role":
			var role rbacv1.Role
			if err := typed(manifest, &role); err != nil {
				return roles{}, err
			}
			found.namespaced[role.Name] = role
		}
	}
	return found, nil
}

// rules are those of a role; an aggregated one has those of the roles that it selects.
func (r roles) rules(ref rbacv1.RoleRef) (rules []rbacv1.PolicyRule, aggregated, found bool) {
	if ref.Kind == "Role" {
		role, found := r.namespaced[ref.Name]
		return role.Rules, false, found
	}
	role, found := r.cluster[ref.Name]
	if !found || role.AggregationRule == nil {
		return role.Rules, false, found
	}
	names := make([]string, 0, len(r.cluster))
	for name := range r.cluster {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if selected(role.AggregationRule.ClusterRoleSelectors, r.cluster[name].Labels) {
			rules = append(rules, r.cluster[name].Rules...)
		}
	}
	return rules, true, true
}

func selected(selectors []metav1.LabelSelector, set map[string]string) bool {
	return slices.ContainsFunc(selectors, func(selector metav1.LabelSelector) bool {
		matcher, err := metav1.LabelSelectorAsSelector(&selector)
		return err == nil && matcher.Matches(labels.Set(set))
	})
}
