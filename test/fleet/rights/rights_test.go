package rights

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestWhatIsDeniedIsToldOnceUnlessItIsExpected(t *testing.T) {
	secret := Access{Verb: "get", Resource: "secrets", Namespace: "shop", Name: "keys", Denied: true}
	theirs := Access{Verb: "delete", Resource: "namespaces", Name: "theirs", Denied: true}
	asked := []Access{
		{Verb: "get", Resource: "secrets", Namespace: "shop", Name: "keys"},
		secret, secret,
		{Verb: "get", Resource: "secrets", Namespace: "flotilla-es-berlin", Name: "credentials", Denied: true},
		{Verb: "delete", Resource: "namespaces", Name: "mine", Denied: true},
		theirs,
	}
	exceptions := append(slices.Clone(Always), Exception{Verb: "delete", Resource: "namespaces", Name: "mine"})
	if diff := cmp.Diff([]Access{secret, theirs}, Denied(asked, exceptions)); diff != "" {
		t.Errorf("Denied() (-want +got):\n%s", diff)
	}
}

func TestAGrantIsUnusedUntilItsVerbItsResourceAndItsNameAreAskedFor(t *testing.T) {
	roles := []Role{{Name: "r", Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"flotilla.dev"}, Resources: []string{"templates"}, Verbs: []string{"manage"}},
		{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"create", "patch", "list", "watch", "delete"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "deployments/status"}, Verbs: []string{"get", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"credentials"}, Verbs: []string{"patch"}},
	}}}
	asked := []Access{
		{Verb: "patch", Group: "batch", Resource: "jobs", Name: "report"},
		{Verb: "watch", Group: "batch", Resource: "jobs"},
		{Verb: "get", Group: "apps", Resource: "deployments", Name: "web"},
		{Verb: "patch", Group: "apps", Resource: "deployments/status", Name: "web"},
		{Verb: "patch", Resource: "secrets", Name: "others"},
	}
	want := []string{"r: delete jobs.batch", "r: get deployments.apps/status", "r: patch deployments.apps", "r: patch secrets"}
	if diff := cmp.Diff(want, Unused(roles, asked)); diff != "" {
		t.Errorf("Unused() (-want +got):\n%s", diff)
	}
}
