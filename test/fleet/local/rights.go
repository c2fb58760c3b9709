package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/rights"
)

// RightsVariable names the environment variable with a folder to which each bed that checks rights writes what its managers asked for.
const RightsVariable = "FLOTILLA_RIGHTS_DIR"

// decisionKey is the annotation of an audit event that says what the authorizer decided.
const decisionKey = "authorization.k8s.io/decision"

// templatesLabel marks the roles about templates: which kinds are templates is up to users, so no test needs them all.
const templatesLabel = "flotilla.dev/aggregate-to-templates"

// Usage is what the managers' account may do on a host, and what it asked for.
type Usage struct {
	// Roles that it has, but for those about templates.
	Roles []rights.Role `json:"roles"`
	// Asked is what it asked for, each once.
	Asked []rights.Access `json:"asked"`
}

// Usage reads what the managers were allowed to do on the host, and did.
func (f *Fleet) Usage(ctx context.Context) (Usage, error) {
	roles, err := managerRoles(ctx, f.Host.client)
	if err != nil {
		return Usage{}, fmt.Errorf("reading the roles of %s: %w", controlplane.ManagerUser, err)
	}
	usage := Usage{Roles: roles}
	seen := map[rights.Access]bool{}
	for _, file := range f.Host.auditLogs {
		events, err := readAuditLog(file, time.Time{}, byManager)
		if err != nil {
			return Usage{}, fmt.Errorf("reading the audit log of the host: %w", err)
		}
		for _, event := range events {
			access := accessOf(event)
			if access.Resource != "" && !seen[access] {
				seen[access] = true
				usage.Asked = append(usage.Asked, access)
			}
		}
	}
	return usage, nil
}

// byManager is true for what a manager asked, answered or, for a watch, begun.
func byManager(event auditv1.Event) bool {
	return event.User.Username == controlplane.ManagerUser && event.ImpersonatedUser == nil
}

func accessOf(event auditv1.Event) rights.Access {
	access := rights.Access{Verb: event.Verb, Denied: event.Annotations[decisionKey] == "forbid"}
	if object := event.ObjectRef; object != nil {
		access.Group, access.Resource, access.Namespace, access.Name = object.APIGroup, object.Resource, object.Namespace, object.Name
		if object.Subresource != "" {
			access.Resource += "/" + object.Subresource
		}
	}
	return access
}

// managerRoles reads the roles that bindings give to the managers' account.
func managerRoles(ctx context.Context, c client.Client) ([]rights.Role, error) {
	var clusterBindings rbacv1.ClusterRoleBindingList
	if err := c.List(ctx, &clusterBindings); err != nil {
		return nil, err
	}
	var bindings rbacv1.RoleBindingList
	if err := c.List(ctx, &bindings); err != nil {
		return nil, err
	}
	var keys []client.ObjectKey // a ClusterRole where the namespace is empty
	for _, binding := range clusterBindings.Items {
		if slices.ContainsFunc(binding.Subjects, isManager) {
			keys = append(keys, client.ObjectKey{Name: binding.RoleRef.Name})
		}
	}
	for _, binding := range bindings.Items {
		switch {
		case !slices.ContainsFunc(binding.Subjects, isManager):
		case binding.RoleRef.Kind == "Role":
			keys = append(keys, client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name})
		default:
			keys = append(keys, client.ObjectKey{Name: binding.RoleRef.Name})
		}
	}
	slices.SortFunc(keys, func(a, b client.ObjectKey) int { return strings.Compare(a.String(), b.String()) })
	var roles []rights.Role
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

// readRole reads a role; nil for one about templates.
func readRole(ctx context.Context, c client.Client, key client.ObjectKey) (*rights.Role, error) {
	if key.Namespace != "" {
		var role rbacv1.Role
		if err := c.Get(ctx, key, &role); err != nil {
			return nil, err
		}
		return &rights.Role{Name: role.Name, Rules: role.Rules}, nil
	}
	var role rbacv1.ClusterRole
	if err := c.Get(ctx, key, &role); err != nil {
		return nil, err
	}
	if role.AggregationRule != nil || role.Labels[templatesLabel] != "" {
		return nil, nil
	}
	return &rights.Role{Name: role.Name, Rules: role.Rules}, nil
}

func isManager(subject rbacv1.Subject) bool {
	return subject.Kind == rbacv1.ServiceAccountKind && subject.Namespace == v1alpha1.SystemNamespace && subject.Name == ManagerAccount
}

// checkRights returns what is wrong with the rights of a fleet's managers: what was denied to them. What they asked for is kept for
// the question which rights nobody needs (`fleet rights`).
func checkRights(ctx context.Context, fleet *Fleet, exceptions []rights.Exception) error {
	usage, err := fleet.Usage(ctx)
	if err != nil {
		return err
	}
	if dir := os.Getenv(RightsVariable); dir != "" {
		if err := keepUsage(dir, usage); err != nil {
			return err
		}
	}
	denied := rights.Denied(usage.Asked, append(slices.Clone(rights.Always), exceptions...))
	if len(denied) == 0 {
		return nil
	}
	lines := make([]string, 0, len(denied))
	for _, access := range denied {
		lines = append(lines, "  "+access.String())
	}
	return fmt.Errorf("the host denied to %s:\n%s", controlplane.ManagerUser, strings.Join(lines, "\n"))
}

func keepUsage(dir string, usage Usage) error {
	content, err := json.Marshal(usage)
	if err != nil {
		return fmt.Errorf("keeping the rights that were used: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keeping the rights that were used: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", os.Getpid())), content, 0o600); err != nil {
		return fmt.Errorf("keeping the rights that were used: %w", err)
	}
	return nil
}

// UnusedRights returns what the managers' roles grant and no bed that wrote into the folder saw them ask for.
func UnusedRights(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("reading the rights that were used: nothing is in %s: %w", dir, err)
	}
	var all Usage
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the rights that were used: %w", err)
		}
		var usage Usage
		if err := json.Unmarshal(content, &usage); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		all.Roles, all.Asked = append(all.Roles, usage.Roles...), append(all.Asked, usage.Asked...)
	}
	return rights.Unused(all.Roles, all.Asked), nil
}
