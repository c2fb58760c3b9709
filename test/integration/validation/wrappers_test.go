package validation

import (
	"context"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const wrappedClaim = `
apiVersion: flotilla.dev/v1alpha1
kind: ResourceTemplate
metadata: {name: data, namespace: default}
spec:
  manifest:
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: data, namespace: default, labels: {app: db}, annotations: {example.com/a: b}}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
`

const wrappedRole = `
apiVersion: flotilla.dev/v1alpha1
kind: ClusterResourceTemplate
metadata: {name: reader}
spec:
  manifest:
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: reader}
    rules: []
`

func TestWhatIsWrappedIsStoredAsItWasWritten(t *testing.T) {
	storedAsWritten(t, map[string]string{
		"a claim":                             wrappedClaim,
		"a kind that the host does not serve": edit(t, edit(t, wrappedClaim, "apiVersion: v1\n", "apiVersion: example.com/v1\n"), "PersistentVolumeClaim", "Widget"),
		"an object without a namespace":       edit(t, wrappedClaim, "name: data, namespace: default, labels", "name: data, labels"),
		"a role of the whole cluster":         wrappedRole,
	})
}

func TestAWrapperThatHoldsNoTemplateIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ document, old, replacement, message string }{
		"nothing":                            {wrappedClaim, wrappedClaim[strings.Index(wrappedClaim, "spec:"):], "spec: {}\n", "spec.manifest: Required value"},
		"no apiVersion":                      {wrappedClaim, "    apiVersion: v1\n", "", "spec.manifest.apiVersion: Required value"},
		"no kind":                            {wrappedClaim, "    kind: PersistentVolumeClaim\n", "", "spec.manifest.kind: Required value"},
		"no metadata":                        {wrappedClaim, "    metadata: {name: data, namespace: default, labels: {app: db}, annotations: {example.com/a: b}}\n", "", "manifest.metadata.name is required"},
		"no name":                            {wrappedClaim, "{name: data, namespace: default, labels", "{generateName: data, labels", "manifest.metadata.name is required"},
		"a label that cannot be one":         {wrappedClaim, "app: db", `app: "a b"`, "spec.manifest.metadata.labels"},
		"a list":                             {wrappedClaim, "kind: PersistentVolumeClaim", "kind: List", "manifest must be one object: wrap each object of a List in a template of its own"},
		"one of Flotilla's kinds":            {wrappedClaim, "    apiVersion: v1\n", "    apiVersion: flotilla.dev/v1alpha1\n", "manifest must not be one of Flotilla's own kinds"},
		"what each cluster makes for itself": {wrappedClaim, "kind: PersistentVolumeClaim", "kind: Endpoints", "manifest must not be of a kind that each cluster makes for itself"},
		"a kind without namespaces": {
			wrappedClaim, "kind: PersistentVolumeClaim", "kind: Namespace", "manifest is of a kind without namespaces: wrap it in a ClusterResourceTemplate",
		},
		"another namespace": {
			wrappedClaim, "name: data, namespace: default, labels", "name: data, namespace: elsewhere, labels",
			`spec.manifest: metadata.namespace "elsewhere" must be the template's own namespace "default", or be left out`,
		},
		"a namespace where there is none": {
			wrappedRole, "    metadata: {name: reader}", "    metadata: {name: reader, namespace: default}",
			"spec.manifest: metadata.namespace must be left out: wrap what has a namespace in a ResourceTemplate of that namespace",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := create(t, edit(t, tc.document, tc.old, tc.replacement))
			if err == nil || !strings.Contains(err.Error(), tc.message) {
				t.Errorf("error is\n%v\nwant one that says\n%s", err, tc.message)
			}
		})
	}
}

func TestAWrapperStaysThatOfTheSameObject(t *testing.T) {
	c := host(t)
	for name, tc := range map[string]struct{ old, replacement, message string }{
		"another kind":          {"kind: PersistentVolumeClaim", "kind: ConfigMap", "kind and metadata.name cannot be changed: delete the template and create another one"},
		"another name":          {"{name: data, namespace: default, labels", "{name: other, labels", "kind and metadata.name cannot be changed"},
		"another group":         {"    apiVersion: v1\n", "    apiVersion: example.com/v1\n", "the group in apiVersion cannot be changed"},
		"another version":       {"    apiVersion: v1\n", "    apiVersion: v2\n", ""},
		"another specification": {"storage: 1Gi", "storage: 2Gi", ""},
	} {
		t.Run(name, func(t *testing.T) {
			wrapper := parse(t, wrappedClaim)
			if err := c.Create(t.Context(), wrapper); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.Delete(t.Context(), parse(t, wrappedClaim)); err != nil {
					t.Error(err)
				}
			}()
			changed := parse(t, edit(t, wrappedClaim, tc.old, tc.replacement))
			changed.SetResourceVersion(wrapper.GetResourceVersion())
			err := c.Update(t.Context(), changed)
			if tc.message == "" && err != nil || tc.message != "" && (err == nil || !strings.Contains(err.Error(), tc.message)) {
				t.Errorf("error is\n%v\nwant one that says %q", err, tc.message)
			}
		})
	}
}

func TestRightsAreWrappedOnlyByThoseWhoMayGrantThem(t *testing.T) {
	admin := host(t)
	config := bed.Fleet(t).Host.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: "wrapping"}
	user, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	role := edit(t, edit(t, wrappedClaim, "apiVersion: v1\n", "apiVersion: rbac.authorization.k8s.io/v1\n"), "kind: PersistentVolumeClaim", "kind: Role")
	grant := func(name string, rule rbacv1.PolicyRule) {
		t.Helper()
		meta := metav1.ObjectMeta{Namespace: "default", Name: name}
		for _, obj := range []client.Object{
			&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{rule}},
			&rbacv1.RoleBinding{
				ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
				Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "wrapping"}},
			},
		} {
			if err := admin.Create(t.Context(), obj); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = admin.Delete(context.Background(), obj) })
		}
	}
	// The API server learns of rights a moment later.
	eventually := func(document, want string) {
		t.Helper()
		var last error
		err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			last = user.Create(ctx, parse(t, document), client.DryRunAll)
			return want == "" && last == nil || want != "" && last != nil && strings.Contains(last.Error(), want), nil
		})
		if err != nil {
			t.Fatalf("error is\n%v\nwant one that says %q", last, want)
		}
	}
	grant("wraps", rbacv1.PolicyRule{APIGroups: []string{"flotilla.dev"}, Resources: []string{"resourcetemplates"}, Verbs: []string{"create"}})
	eventually(wrappedClaim, "")
	eventually(role, `spec.manifest: to wrap a Role takes the verb "escalate" on roles of rbac.authorization.k8s.io: it grants rights in the members`)
	binding := edit(t, role, "kind: Role\n", "kind: RoleBinding\n")
	local := edit(t, binding, "    kind: RoleBinding\n", "    kind: RoleBinding\n    roleRef: {kind: Role, name: reads}\n")
	global := edit(t, binding, "    kind: RoleBinding\n", "    kind: RoleBinding\n    roleRef: {kind: ClusterRole, name: cluster-admin}\n")
	eventually(binding, `takes the verb "bind" on clusterroles`)
	eventually(local, `takes the verb "bind" on roles`)
	eventually(global, `takes the verb "bind" on clusterroles`)
	grant("escalates", rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles"}, Verbs: []string{"escalate", "bind"}})
	eventually(role, "")
	eventually(local, "")
	eventually(global, `takes the verb "bind" on clusterroles`)
	grant("binds", rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"bind"}})
	eventually(global, "")
}
