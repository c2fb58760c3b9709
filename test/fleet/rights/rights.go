package rights

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Access is one request for a resource, as the audit log has it.
type Access struct {
	// Verb as RBAC has it: get, list, watch, create, update, patch, delete, deletecollection.
	Verb string `json:"verb"`
	// Group of the resource, empty for the core group.
	Group string `json:"group,omitempty"`
	// Resource in the plural, followed by a slash and the subresource if there is one.
	Resource string `json:"resource"`
	// Namespace and Name of the object; empty where there is none.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Denied is true when the authorizer refused it. What admission or validation refuse is not denied.
	Denied bool `json:"denied,omitempty"`
}

// String is one line for people.
func (a Access) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s/%s", a.Verb, qualified(a.Group, a.Resource), a.Namespace, a.Name))
}

// Exception is a denial that is expected.
type Exception struct {
	// Verb, Group and Resource as in Access; Namespaces is how the namespace begins.
	Verb, Group, Resource, Namespaces string
	// Name of the object; empty for any.
	Name string
	// Why it is expected.
	Why string
}

// Always are the denials that no test can do without.
var Always = []Exception{{
	Verb: "get", Resource: "secrets", Namespaces: "flotilla-es-",
	Why: "the right to an execution namespace's Secrets goes with the namespace, and is taken when it is found missing",
}}

// Denied returns what was denied, each once, but for the exceptions.
func Denied(asked []Access, exceptions []Exception) []Access {
	var denied []Access
	for _, access := range asked {
		excepted := slices.ContainsFunc(exceptions, func(e Exception) bool {
			return e.Verb == access.Verb && e.Group == access.Group && e.Resource == access.Resource &&
				strings.HasPrefix(access.Namespace, e.Namespaces) && (e.Name == "" || e.Name == access.Name)
		})
		if access.Denied && !excepted && !slices.Contains(denied, access) {
			denied = append(denied, access)
		}
	}
	return denied
}

// Role is a role that the account has, cluster-wide or in namespaces.
type Role struct {
	// Name of the Role or ClusterRole.
	Name string `json:"name"`
	// Rules that it grants.
	Rules []rbacv1.PolicyRule `json:"rules"`
}

// Unused returns what roles grant and nobody asked for, one line for each verb on a resource, sorted.
func Unused(roles []Role, asked []Access) []string {
	var unused []string
	for _, role := range roles {
		for _, rule := range role.Rules {
			unused = append(unused, unusedOf(role.Name, rule, asked)...)
		}
	}
	slices.Sort(unused)
	return slices.Compact(unused)
}

// virtual are verbs that no request has: RBAC and admission policies ask whether the account may, when it does something else.
var virtual = []string{"bind", "escalate", "manage"}

// serves is true when a request shows that a verb is needed: its own, or one that the API server answers with it. An apply that creates
// is a patch that needs create, too; a client that is served a list by a watch needs list of servers that cannot.
func serves(asked, verb string) bool {
	return asked == verb || asked == "patch" && verb == "create" || asked == "watch" && verb == "list"
}

func unusedOf(role string, rule rbacv1.PolicyRule, asked []Access) []string {
	var unused []string
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				used := slices.Contains(virtual, verb) || slices.ContainsFunc(asked, func(a Access) bool {
					return serves(a.Verb, verb) && a.Group == group && a.Resource == resource &&
						(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, a.Name))
				})
				if !used {
					unused = append(unused, fmt.Sprintf("%s: %s %s", role, verb, qualified(group, resource)))
				}
			}
		}
	}
	return unused
}

func qualified(group, resource string) string {
	if group == "" {
		return resource
	}
	resource, sub, found := strings.Cut(resource, "/")
	if !found {
		return resource + "." + group
	}
	return resource + "." + group + "/" + sub
}
