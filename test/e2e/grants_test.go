package e2e

import (
	"context"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// grantWidgets lets Flotilla work with Widgets in a member for the length of a test, as an administrator would: by a ClusterRole that is
// bound to its ServiceAccount there. On the host it may from the beginning.
func grantWidgets(t *testing.T, member *local.Cluster) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "flotilla-widgets"}
	objects := []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{widget.Group}, Resources: []string{"widgets"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"},
		}}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: v1alpha1.SystemNamespace, Name: "flotilla"}},
		},
	}
	expect.Create(t, member, objects...)
	t.Cleanup(func() {
		for _, obj := range objects {
			if err := client.IgnoreNotFound(member.Client().Delete(context.Background(), obj)); err != nil {
				t.Errorf("deleting %T: %v", obj, err)
			}
		}
	})
}
