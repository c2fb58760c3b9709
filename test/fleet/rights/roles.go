package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// templatesLabel marks the roles about templates: which kinds are templates is up to users, so no test needs them all.
	templatesLabel = "flotilla.dev/aggregate-to-templates"
	// templatesRole is the role of config/ that takes its rules from those with templatesLabel.
	templatesRole = "flotilla-templates"
	// aggregationInterval and aggregationTimeout bound the wait for the controller that collects them.
	aggregationInterval = 50 * time.Millisecond
	aggregationTimeout  = 30 * time.Second
)

// Roles reads the roles that bindings give to a ServiceAccount, but for those about templates.
func Roles(ctx context.Context, c client.Client, account types.NamespacedName) ([]Role, error) {
	keys, err := bound(ctx, c, account)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(keys, func(a, b client.ObjectKey) int { return strings.Compare(a.String(), b.String()) })
	var roles []Role
	for _, key := range slices.Compact(keys) {
		role, err := readRole(ctx, c, key)
		if err != nil {
			return nil, err
		}
		if role != nil {
			roles = append(roles, *role)
		}
	}
	return roles, nil
}

// bound are the names of the roles that bindings give to a ServiceAccount; that of a ClusterRole has no namespace.
func bound(ctx context.Context, c client.Client, account types.NamespacedName) ([]client.ObjectKey, error) {
	var clusterBindings rbacv1.ClusterRoleBindingList
	if err := c.List(ctx, &clusterBindings); err != nil {
		return nil, err
	}
	var bindings rbacv1.RoleBindingList
	if err := c.List(ctx, &bindings); err != nil {
		return nil, err
	}
	isAccount := func(subject rbacv1.Subject) bool {
		return subject.Kind == rbacv1.ServiceAccountKind && subject.Namespace == account.Namespace && subject.Name == account.Name
	}
	var keys []client.ObjectKey
	for _, binding := range clusterBindings.Items {
		if slices.ContainsFunc(binding.Subjects, isAccount) {
			keys = append(keys, client.ObjectKey{Name: binding.RoleRef.Name})
		}
	}
	for _, binding := range bindings.Items {
		switch {
		case !slices.ContainsFunc(binding.Subjects, isAccount):
		case binding.RoleRef.Kind == "Role":
			keys = append(keys, client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name})
		default:
			keys = append(keys, client.ObjectKey{Name: binding.RoleRef.Name})
		}
	}
	return keys, nil
}

// readRole reads a role; nil for one about templates, and for one that is not there.
func readRole(ctx context.Context, c client.Client, key client.ObjectKey) (*Role, error) {
	if key.Namespace != "" {
		var role rbacv1.Role
		if err := c.Get(ctx, key, &role); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		return &Role{Name: role.Name, Rules: role.Rules}, nil
	}
	var role rbacv1.ClusterRole
	if err := c.Get(ctx, key, &role); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if role.AggregationRule != nil || role.Labels[templatesLabel] != "" {
		return nil, nil
	}
	return &Role{Name: role.Name, Rules: role.Rules}, nil
}

// AllowTemplates adds rules to what managers may do with templates, as an administrator of the host does, and waits until they
// have them.
func AllowTemplates(ctx context.Context, host client.Client, rules []rbacv1.PolicyRule) error {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "kinds-of-tests", Labels: map[string]string{templatesLabel: "true"}}, Rules: rules}
	if err := client.IgnoreAlreadyExists(host.Create(ctx, role)); err != nil {
		return fmt.Errorf("letting managers read templates of more kinds: %w", err)
	}
	wanted := rules[len(rules)-1]
	err := wait.PollUntilContextTimeout(ctx, aggregationInterval, aggregationTimeout, true, func(ctx context.Context) (bool, error) {
		var all rbacv1.ClusterRole
		if err := host.Get(ctx, client.ObjectKey{Name: templatesRole}, &all); err != nil {
			return false, err
		}
		return slices.ContainsFunc(all.Rules, func(rule rbacv1.PolicyRule) bool { return equality.Semantic.DeepEqual(rule, wanted) }), nil
	})
	if err != nil {
		return fmt.Errorf("waiting until the role %s has what is added to it: %w", templatesRole, err)
	}
	return nil
}
