package memberaccess

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Name of everything that Flotilla creates in a member for its own access, but for the namespace.
const Name = "flotilla"

// Permissions says how much Flotilla may do in a member.
type Permissions string

// The choices of permissions.
const (
	// Workloads lets Flotilla propagate the built-in namespaced kinds that applications are made of.
	Workloads Permissions = "workloads"
	// ClusterAdmin lets Flotilla propagate every kind.
	ClusterAdmin Permissions = "cluster-admin"
)

// ParsePermissions reads the choice of a user.
func ParsePermissions(s string) (Permissions, error) {
	switch p := Permissions(s); p {
	case Workloads, ClusterAdmin:
		return p, nil
	}
	return "", fmt.Errorf("unknown permissions %q: use %s or %s", s, Workloads, ClusterAdmin)
}

// propagate is what server-side apply, watching and deletion need.
var propagate = []string{"get", "list", "watch", "create", "patch", "delete"}

// ClusterRules are the rules of the ClusterRole in the member.
func ClusterRules(p Permissions) []rbacv1.PolicyRule {
	if p == ClusterAdmin {
		return []rbacv1.PolicyRule{
			{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
			{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
		}
	}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{
			"configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "secrets", "serviceaccounts", "services",
		}, Verbs: propagate},
		{APIGroups: []string{"apps"}, Resources: []string{"daemonsets", "deployments", "replicasets", "statefulsets"}, Verbs: propagate},
		{APIGroups: []string{"batch"}, Resources: []string{"cronjobs", "jobs"}, Verbs: propagate},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: propagate},
		{APIGroups: []string{"policy"}, Resources: []string{"poddisruptionbudgets"}, Verbs: propagate},
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses", "networkpolicies"}, Verbs: propagate},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "list", "watch", "create"}},
		{APIGroups: []string{""}, Resources: []string{"nodes", "resourcequotas"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, ResourceNames: []string{Name}, Verbs: []string{"get", "delete"}},
	}
}

// NamespaceRules are the rules of the Role in the member's namespace flotilla-system: Flotilla renews its
// own token, and takes its mark off that namespace when others use it too.
func NamespaceRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{Name}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{v1alpha1.SystemNamespace}, Verbs: []string{"get", "patch"}},
	}
}
